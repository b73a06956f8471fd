//! Master nodes on boards with 32 and with 64 bits.

use std::process::{Command, id};

use nix::sys::signal::Signal;

use crate::processors::{ARM1176, CORTEX_A53, on};
use crate::{ARM64, ARMV6, hub};
use support::PATIENCE;
use support::master::python;
use support::process::Process;

/// Runs the master node by `command` at `address`. libzmq sends it messages of up to 30 KB and receives them
/// again. Then it is stopped.
fn libzmq_gets_what_libzmq_sends_through(command: &mut Command, address: &str) {
    let mut master = Process::start(command.args(["masternode", "start", address]));
    master.wait_for_line("room for", PATIENCE);
    let program = python(&format!(
        "
subscriber = context.socket(zmq.SUB)
subscriber.connect('tcp://{address}:6666')
subscriber.subscribe(b'Chasar-Client')
publisher = context.socket(zmq.PUB)
publisher.connect('tcp://{address}:5555')
first = b'{{}}'
while not subscriber.poll(100):
    publisher.send_multipart([b'status', first])
bodies = [json.dumps({{'n': n, 'text': 'ä\\n' * (n * n // 12)}}, ensure_ascii=False).encode() for n in range(300)]
for body in bodies:
    publisher.send_multipart([b'status', body])
expected = iter(bodies)
body = next(expected)
while body:
    got = subscriber.recv_multipart()
    if got == [b'Chasar-Client', body]: body = next(expected, None)
    else: assert body == bodies[0] and got == [b'Chasar-Client', first], got
print('all of', len(bodies))
"
    ));
    program.wait_for_line("all of 300", PATIENCE);
    master.signal(Signal::SIGTERM);
    assert_eq!(master.wait(PATIENCE).code(), Some(0), "{:#?}", master.lines());
    let counted = master.wait_for_line("stopping; ", PATIENCE);
    assert!(counted.contains(" invalid=0 dropped=0 "), "{counted}");
}

#[test]
#[ignore = "needs python3-zmq, boards/build --hub and qemu: tests/run"]
fn master_nodes_on_a_pi_1_and_a_pi_3_change_no_byte_and_lose_no_message() {
    // An address that no other test uses, so that the usual ports are free.
    let [.., high, low] = id().to_be_bytes();
    for (processor, target, number) in [(ARM1176, ARMV6, 32), (CORTEX_A53, ARM64, 64)] {
        let address = format!("127.{high}.{low}.{number}");
        libzmq_gets_what_libzmq_sends_through(&mut on(processor, &hub(target)), &address);
    }
}
