//! Runs the program over captured boards, and compares with golden reports and listings of sensors.
//!
//! `PSISTATS_RENEW_GOLDEN=1 cargo test --test boards` renews the golden files. Review the difference before you
//! commit it.

#![allow(missing_docs, clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use std::fs;
use std::path::Path;

use psistats::cli::sensors;
use psistats_core::kernel::{Fixed, meminfo, zoneinfo};
use psistats_core::report::percent;
use psistats_host::machine::source::Root;
use support::boards::{
    NO_TEMPERATURE, START, TIMESTAMPS, Tree, all, boards, counters_at_start, name, open_sampler, tick,
};

/// The whole report of a board. Its cpu figure is the average since the board booted.
fn report_since_start(board: &Path) -> String {
    let tree = Tree::of(board);
    let stat = fs::read(board.join("proc/stat")).ok();
    if let Some(stat) = &stat {
        tree.put("proc/stat", counters_at_start(stat));
    }
    let mut sampler = open_sampler(tree.path(), TIMESTAMPS);
    sampler.prime(START);
    if let Some(stat) = &stat {
        tree.put("proc/stat", stat);
    }
    String::from_utf8(sampler.report(tick(1_700_000_000_123, true)).to_vec()).unwrap()
}

/// Compares the result of `of` for each board with the board's file `golden`. A board without that file must
/// give `missing`.
fn golden(golden: &str, missing: &str, of: impl Fn(&Path) -> String) {
    let renew = std::env::var_os("PSISTATS_RENEW_GOLDEN").is_some();
    let mut wrong = String::new();
    for board in all() {
        let (came, golden) = (of(&board), board.join(golden));
        if renew && came != missing {
            fs::write(&golden, &came).unwrap();
        }
        let expected = fs::read_to_string(&golden).unwrap_or_else(|_| missing.to_owned());
        if came != expected {
            wrong += &format!("{}\n  expected {expected}\n  came     {came}", name(&board));
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn every_board_makes_its_golden_report() {
    golden("report.json", "", |board| report_since_start(board) + "\n");
}

#[test]
fn every_board_lists_its_golden_sensors() {
    let none = "# no sensors in /sys/class/hwmon and /sys/class/thermal\n";
    golden("sensors.txt", none, |board| sensors::section(&Root::open(board)));
}

#[test]
fn a_primary_report_is_the_golden_one_without_the_secondary_figures() {
    for board in all() {
        let mut sampler = open_sampler(&board, NO_TEMPERATURE);
        let report: serde_json::Value = serde_json::from_slice(sampler.report(tick(0, false))).unwrap();
        let golden: serde_json::Value =
            serde_json::from_slice(&fs::read(board.join("report.json")).unwrap()).unwrap();
        let keys: Vec<_> = report.as_object().unwrap().keys().collect();
        assert_eq!(keys, ["cpu", "hostname", "mem"]);
        assert!(report["cpu"].is_null(), "nothing to measure against yet");
        assert_eq!(report["mem"], golden["mem"]);
        assert_eq!(report["hostname"], name(&board));
        assert_eq!(sampler.hostname(), name(&board));
        assert_eq!(sampler.boot_id(), "no-boot-id");
    }
}

/// The results of psutil's own code on these captures (`calculate_avail_vmem` and `usage_percent` at d77cf39,
/// pages of 4096 bytes): total and available in bytes, percent in tenths.
const PSUTIL: [(&str, u64, u64, i64); 13] = [
    ("allwinner-a20-cubian-3.4", 867_319_808, 833_785_856, 39),
    ("hisilicon-128core", 539_679_973_376, 489_630_957_568, 93),
    ("mediatek-insignia5-3.4.5", 1_014_509_568, 596_234_240, 412),
    ("nvidia-dgx-gb10-6.17", 128_520_671_232, 124_659_519_488, 30),
    ("openwrt-arm-unknown", 128_131_072, 104_435_712, 185),
    ("rpi-zero-2-w-trixie", 436_293_632, 239_304_704, 452),
    ("rpi1-b-512mb-wheezy", 459_771_904, 408_330_240, 112),
    ("rpi2-b-raspbian-4.1", 972_111_872, 905_859_072, 68),
    ("rpi3-bplus-stretch-4.14", 972_234_752, 773_386_240, 205),
    ("rpi4-b-bookworm-6.6.74", 3_982_213_120, 2_858_631_168, 282),
    ("st-ericsson-mop500-2.6", 287_580_160, 269_303_808, 64),
    ("zte-zx279128-router-4.1.25", 96_677_888, 40_976_384, 576),
    ("zynq7000-innosilicon-4.4.0", 258_363_392, 220_262_400, 147),
];

#[test]
fn memory_equals_psutils_to_the_byte() {
    for (board, total, available, tenths) in PSUTIL {
        let proc = boards().join(board).join("proc");
        let info = meminfo::parse(&fs::read(proc.join("meminfo")).unwrap()).unwrap();
        let low_pages = fs::read(proc.join("zoneinfo")).ok().and_then(|text| zoneinfo::low_pages(&text));
        assert_eq!(info.total_bytes, total, "{board}");
        assert_eq!(info.available(low_pages.map(|pages| pages * 4096)), available, "{board}");
        assert_eq!(percent(total - available, total), Fixed(tenths), "{board}");
    }
}
