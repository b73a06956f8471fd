//! The master node is libzmq as a server of CURVE.

use support::PATIENCE;
use support::master::Master;

use crate::node_with;

/// The server's keys of zmq_curve(7).
const PUBLIC: &str = "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7";
const SECRET: &str = "JTKVSB%%)wK0E.X)V>+}o?pNmC{O&4W4b!Ni{Lh6";

#[test]
#[ignore = "needs python3-zmq: tests/run"]
fn an_encrypted_master_node_gets_messages_once_its_key_is_configured_and_none_before() {
    let master = Master::with(
        0,
        &format!(
            "socket = context.socket(zmq.SUB); socket.subscribe(b''); socket.curve_server = True; \
             socket.curve_secretkey = b'{SECRET}'"
        ),
    );
    let node = node_with(master.port, "interval=0.05");
    node.wait_for_line("next attempt in", PATIENCE);
    node.reload(&format!("interval=0.05\ncurve_server_key={PUBLIC}"));
    assert!(master.message()["memory"]["total_bytes"].as_u64().unwrap() > 0);
    let line = node.wait_for_line("connected to the master node", PATIENCE);
    assert!(line.ends_with(", encrypted"), "{line}");
    assert!(!node.lines().iter().any(|line| line.contains(PUBLIC) || line.contains(SECRET)));
}
