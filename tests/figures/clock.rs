//! `clock`

use std::path::Path;

use serde_json::{Value, json};

use crate::python;
use crate::{figure, live, with_answer};
use support::boards::Tree;

/// What Python's ctypes gets of adjtimex(2), by the rule of timedatectl.
const ORACLE: &str = r#"
import ctypes, json
long = ctypes.c_long
class Timex(ctypes.Structure):
    _fields_ = [("modes", ctypes.c_uint), ("offset", long), ("freq", long), ("maxerror", long), ("esterror", long),
                ("status", ctypes.c_int), ("rest", long * 60)]
clock = Timex()
assert ctypes.CDLL(None).adjtimex(ctypes.byref(clock)) >= 0
nano = clock.status & 0x2000
print(json.dumps({
    "synchronised": clock.maxerror < 16000000,
    "offset": int(clock.offset / (1000 if nano else 1)) / 1e6 if clock.status & 1 else None,
}))
"#;

#[test]
#[ignore = "needs python3-psutil: tests/run"]
fn the_clock_of_this_machine_is_as_python_asks_the_kernel_for_it() {
    let clock = live("clock");
    assert_eq!(clock["synchronised"], python(ORACLE)["synchronised"]);
    assert!(clock["synchronised"].is_boolean() && clock["offset"].as_f64().is_none_or(|s| s.abs() < 1.0));
}

#[test]
#[ignore = "needs strace: tests/run"]
fn a_clock_that_is_kept_says_so_and_by_how_much_it_is_off() {
    // struct timex of 64 bits: modes, offset, freq, maxerror, esterror, status.
    let timex = |offset: i64, error: i64, status: i64| {
        [0, offset, 0, error, 0, status].map(i64::to_le_bytes).concat()
    };
    for (timex, expected) in [
        (timex(-1_234_567, 203_500, 0x2001), json!({"synchronised": true, "offset": -0.001_234})),
        (timex(0, 1_500, 0x0040), json!({"synchronised": true, "offset": null})),
        (timex(0, 16_000_000, 0x0041), json!({"synchronised": false, "offset": 0.0})),
    ] {
        let report = with_answer(Path::new("/"), "[clock]\nenabled=yes\n", "adjtimex", 1, &timex);
        assert_eq!(report["clock"], expected);
    }
}

#[test]
fn under_another_root_the_clock_is_null() {
    assert_eq!(figure(&Tree::new(), "clock"), Value::Null);
}
