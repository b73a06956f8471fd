//! Sources that fail, come back, or say anything at all.

#![allow(missing_docs, clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::{Mutex, Once};
use std::time::Duration;

use log::{Level, LevelFilter, Log, Metadata, Record};
use nix::errno::Errno;
use proptest::prelude::*;
use psistats_core::kernel::addresses::{Addresses, Family};
use psistats_core::kernel::{
    self, Fixed, Thousandths, addresses, boot_id, cpufreq, cpuinfo, cpulist, diskstats, hostname, hwmon,
    mailbox, meminfo, mmc, mountinfo, net_dev, os_release, pressure, stat, thermal, throttled, uptime,
    wireless, zoneinfo,
};
use psistats_core::limits::{ADDRESSES, FILE_SYSTEM, HOSTNAME, KERNEL_FILE};
use psistats_host::figures::Tick;
use psistats_host::limits;
use serde_json::{Value, json};
use support::boards::{START, Sampler, TIMESTAMPS, Tree, all, open_sampler, tick};

/// What was logged by all tests. Each looks for the lines with its own tree's path.
struct Lines;
static LINES: Mutex<Vec<(Level, String)>> = Mutex::new(Vec::new());

impl Log for Lines {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }
    fn log(&self, record: &Record<'_>) {
        LINES.lock().unwrap().push((record.level(), record.args().to_string()));
    }
    fn flush(&self) {}
}

fn keep_log() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        log::set_logger(&Lines).unwrap();
        log::set_max_level(LevelFilter::Info);
    });
}

/// The lines of `level` about the file `name` of `tree`.
fn logged(tree: &Tree, level: Level, name: &str) -> Vec<String> {
    let path = format!("{}:", tree.path().join(name).display());
    let lines = LINES.lock().unwrap();
    lines
        .iter()
        .filter(|(of, line)| *of == level && line.starts_with(&path))
        .map(|(_, line)| line.clone())
        .collect()
}

fn open(tree: &Tree) -> Sampler {
    keep_log();
    open_sampler(tree.path(), "")
}

fn primary(sampler: &mut Sampler) -> Value {
    serde_json::from_slice(sampler.report(tick(0, false))).unwrap()
}

fn secondary(sampler: &mut Sampler) -> Value {
    serde_json::from_slice(sampler.report(tick(0, true))).unwrap()
}

/// A machine with all figures.
fn machine() -> Tree {
    let tree = Tree::new();
    tree.put("proc/sys/kernel/hostname", "pi\n");
    tree.put("proc/stat", "cpu  100 0 100 800 0 0 0 0 0 0\n");
    tree.put("proc/meminfo", "MemTotal: 1000 kB\nMemFree: 100 kB\nMemAvailable: 250 kB\n");
    tree.put("proc/uptime", "12.50 3.00\n");
    tree.put(ZONE_TYPE, "cpu-thermal\n");
    tree.put(ZONE, "40084\n");
    tree
}

const ZONE: &str = "sys/class/thermal/thermal_zone0/temp";
const ZONE_TYPE: &str = "sys/class/thermal/thermal_zone0/type";

/// A file of sysfs that answers EINVAL on every machine: a loopback has no speed.
const EINVAL: &str = "/sys/class/net/lo/speed";
/// A file that answers EIO: nothing is mapped at address 0.
const EIO: &str = "/proc/self/mem";

fn link(tree: &Tree, name: &str, to: &str) {
    let path = tree.path().join(name);
    let _ = fs::remove_file(&path);
    symlink(to, path).unwrap();
}

#[test]
fn a_whole_report_has_every_figure() {
    let tree = machine();
    tree.put("proc/sys/kernel/random/boot_id", "5a14246a-69da-4eec-b180-ab0f81d3feee\n");
    let mut sampler = open(&tree);
    assert_eq!(sampler.boot_id(), "5a14246a-69da-4eec-b180-ab0f81d3feee");
    sampler.prime(START);
    tree.put("proc/stat", "cpu  125 0 100 875 0 0 0 0 0 0\n");
    assert_eq!(
        secondary(&mut sampler),
        json!({"hostname": "pi", "cpu": 25.0, "mem": 75.0, "cpu_temp": 40.084, "uptime": 12.5, "ipaddr": []})
    );
    tree.put("proc/stat", "cpu  175 0 100 925 0 0 0 0 0 0\n");
    assert_eq!(
        primary(&mut sampler),
        json!({"hostname": "pi", "cpu": 50.0, "mem": 75.0, "cpu_temp": 40.084})
    );
}

#[test]
fn fault_32_counters_that_wrap_or_fall_give_null_and_never_a_spike() {
    let tree = machine();
    let mut sampler = open(&tree);
    sampler.prime(START);
    let mut cpu_after = |stat: &str| {
        tree.put("proc/stat", stat);
        primary(&mut sampler)["cpu"].clone()
    };
    assert_eq!(cpu_after("cpu  110 0 100 890 0 0 0 0 0 0\n"), json!(10.0));
    assert_eq!(cpu_after("cpu  10 0 5 85 0 0 0 0 0 0\n"), Value::Null, "began again");
    assert_eq!(cpu_after("cpu  20 0 5 175 0 0 0 0 0 0\n"), json!(10.0));
    assert_eq!(cpu_after("cpu  30 0 5 174 20 0 0 0 0 0\n"), json!(33.3), "idle fell by one");
    assert_eq!(cpu_after("cpu  30 0 5 4294967290 20 0 0 0 0 0\n"), json!(0.0));
    assert_eq!(cpu_after("cpu  40 0 5 84 20 0 0 0 0 0\n"), Value::Null, "idle wrapped");
    assert_eq!(cpu_after("cpu  50 0 5 174 20 0 0 0 0 0\n"), json!(10.0));
}

#[test]
fn fault_33_a_zone_that_answers_einval_costs_its_figure_only_and_is_told_once() {
    assert_eq!(fs::read(EINVAL).unwrap_err().raw_os_error(), Some(Errno::EINVAL as i32));
    let tree = machine();
    link(&tree, ZONE, EINVAL);
    let mut sampler = open(&tree);
    sampler.prime(START);
    for _ in 0..3 {
        let report = primary(&mut sampler);
        assert_eq!((&report["cpu_temp"], &report["mem"]), (&Value::Null, &json!(75.0)));
        assert_eq!(secondary(&mut sampler)["uptime"], json!(12.5));
    }
    let warnings = logged(&tree, Level::Warn, ZONE);
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(warnings[0].contains("invalid argument") && warnings[0].contains("cpu_temp"), "{warnings:?}");

    fs::remove_file(tree.path().join(ZONE)).unwrap();
    tree.put(ZONE, "51000\n");
    assert_eq!(primary(&mut sampler)["cpu_temp"], Value::Null, "opened again at a secondary tick");
    for _ in 0..3 {
        assert_eq!(secondary(&mut sampler)["cpu_temp"], json!(51.0));
        assert_eq!(primary(&mut sampler)["cpu_temp"], json!(51.0));
    }
    assert_eq!(logged(&tree, Level::Info, ZONE).len(), 1);
    assert_eq!(logged(&tree, Level::Warn, ZONE).len(), 1);
}

#[test]
fn fault_33_the_next_zone_of_the_processor_stands_in_and_another_zone_does_not() {
    for failing in [EINVAL, EIO] {
        let tree = machine();
        link(&tree, ZONE, failing);
        tree.put("sys/class/thermal/thermal_zone1/type", "gpu-thermal\n");
        tree.put("sys/class/thermal/thermal_zone1/temp", "61000\n");
        assert_eq!(primary(&mut open(&tree))["cpu_temp"], Value::Null);
        tree.put("sys/class/thermal/thermal_zone2/type", "cpu1-thermal\n");
        tree.put("sys/class/thermal/thermal_zone2/temp", "52000\n");
        assert_eq!(primary(&mut open(&tree))["cpu_temp"], json!(52.0));
    }
}

#[test]
fn a_sensor_that_fails_every_other_time_does_not_fill_the_log() {
    let tree = machine();
    let mut sampler = open(&tree);
    for round in 0..10 {
        tree.put(ZONE, if round % 2 == 0 { "0\n" } else { "45000\n" });
        let expected = if round % 2 == 0 { Value::Null } else { json!(45.0) };
        assert_eq!(primary(&mut sampler)["cpu_temp"], expected);
    }
    assert_eq!(logged(&tree, Level::Warn, ZONE).len(), 1);
    assert_eq!(logged(&tree, Level::Info, ZONE).len(), 0);
}

#[test]
fn a_board_without_any_source_of_throttled_is_told_what_was_tried_and_what_each_said() {
    keep_log();
    let tree = machine();
    // Not the firmware: ENOTTY. Without the group video a Pi says EACCES here.
    fs::create_dir_all(tree.path().join("dev")).unwrap();
    link(&tree, "dev/vcio", EIO);
    let mut sampler = open_sampler(tree.path(), "[throttled]\nenabled=yes\n");
    assert_eq!(secondary(&mut sampler)["throttled"], Value::Null);
    let at = |name: &str| tree.path().join(name).display().to_string();
    let driver = "sys/devices/platform/soc/soc:firmware/get_throttled";
    let none = "no such file or directory";
    assert_eq!(
        logged(&tree, Level::Warn, driver),
        [format!(
            "{}: {none}, {}: {none}, {}: inappropriate ioctl for device; reports go without throttled until it can be read",
            at(driver),
            at("sys/class/hwmon (rpi_volt)"),
            at("dev/vcio")
        )]
    );
    tree.put("sys/class/hwmon/hwmon0/name", "rpi_volt\n");
    tree.put("sys/class/hwmon/hwmon0/in0_lcrit_alarm", "1\n");
    let later = START + Duration::from_secs(10);
    sampler.report(Tick { unix_ms: 0, now: later, due: later, secondary: true });
    let back = logged(&tree, Level::Info, "sys/class/hwmon (rpi_volt)");
    assert_eq!(back.len(), 1, "the source that answers: {back:?}");
}

#[test]
fn cores_beyond_the_limit_are_told_once() {
    keep_log();
    let tree = machine();
    tree.put("proc/stat", format!("cpu 1 2 3 4\ncpu{} 1 2 3 4\n", limits::CORES));
    tree.put("sys/devices/system/cpu/online", format!("0-{}\n", limits::CORES));
    let mut sampler = open_sampler(tree.path(), "[cpu]\npercpu=yes\n[cpu_freq]\nenabled=yes\n");
    for at in (0..3).map(|second| START + Duration::from_secs(second)) {
        sampler.report(Tick { unix_ms: 0, now: at, due: at, secondary: true });
    }
    let lines = LINES.lock().unwrap();
    for figure in ["percpu: cores from number 128 on", "cpu_freq: cores from number 128 on"] {
        assert_eq!(lines.iter().filter(|(_, line)| line.starts_with(figure)).count(), 1, "{figure}");
    }
}

#[test]
fn every_file_that_is_missing_costs_its_own_figure_and_is_found_when_it_comes() {
    for (file, key) in
        [("proc/stat", "cpu"), ("proc/meminfo", "mem"), ("proc/uptime", "uptime"), (ZONE, "cpu_temp")]
    {
        let tree = machine();
        let content = fs::read(tree.path().join(file)).unwrap();
        fs::remove_file(tree.path().join(file)).unwrap();
        let mut sampler = open(&tree);
        sampler.prime(START);
        for _ in 0..2 {
            let report = secondary(&mut sampler);
            let nulls: Vec<_> = report.as_object().unwrap().iter().filter(|(_, v)| v.is_null()).collect();
            assert_eq!(nulls, [(&key.to_owned(), &Value::Null)], "{file}");
        }
        let place = if file == ZONE { "sys/class/thermal" } else { file };
        let warnings = logged(&tree, Level::Warn, place);
        assert!(
            warnings.len() == 1
                && warnings[0].contains("no such file or directory")
                && warnings[0].contains(key),
            "{warnings:?}"
        );

        tree.put(file, content);
        secondary(&mut sampler);
        assert!(!secondary(&mut sampler)[key].is_null(), "{file}");
    }
}

#[test]
fn without_a_root_every_figure_is_null_and_the_report_is_still_one() {
    let tree = Tree::new();
    let mut sampler = open_sampler(&tree.path().join("nowhere"), TIMESTAMPS);
    assert!(!sampler.hostname().is_empty());
    sampler.prime(START);
    let report: Value = serde_json::from_slice(sampler.report(tick(1_500, true))).unwrap();
    assert_eq!(
        report,
        json!({"hostname": sampler.hostname(), "cpu": null, "mem": null, "cpu_temp": null, "uptime": null, "ipaddr": [], "ts": 1.5})
    );
}

#[test]
fn directories_pipes_and_other_devices_in_the_place_of_files_do_no_harm() {
    let tree = Tree::new();
    fs::create_dir_all(tree.path().join("proc/stat")).unwrap();
    nix::unistd::mkfifo(&tree.path().join("proc/meminfo"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    symlink("/dev/zero", tree.path().join("proc/uptime")).unwrap();
    // Not the firmware: ENOTTY.
    tree.put("dev/vcio", "");
    let mut sampler = open(&tree);
    sampler.prime(START);
    let report = secondary(&mut sampler);
    for key in ["cpu", "mem", "uptime", "cpu_temp"] {
        assert_eq!(report[key], Value::Null, "{key}");
    }
    assert!(logged(&tree, Level::Warn, "dev/vcio")[0].contains("inappropriate ioctl for device"));
}

#[test]
fn a_zoneinfo_that_is_longer_than_the_buffer_is_read_to_its_end() {
    let tree = Tree::new();
    let meminfo = "MemTotal: 1000000 kB\nMemFree: 500000 kB\nCached: 7 kB\nActive(file): 100000 kB\n\
        Inactive(file): 100000 kB\nSReclaimable: 50000 kB\n";
    let core = "    cpu: 0\n              count: 61\n              high:  90\n              batch: 15\n";
    let mut text = String::new();
    for zone in 0..4 {
        text += &format!(
            "Node {zone}, zone   Normal\n  pages free     15310\n        min      434\n        low      100{zone}\n"
        );
        text += &core.repeat(64);
    }
    assert!(text.len() > 2 * KERNEL_FILE);
    tree.put("proc/meminfo", meminfo);
    tree.put("proc/zoneinfo", &text);
    let low = zoneinfo::low_pages(text.as_bytes()).unwrap();
    assert_eq!(low, 1000 + 1001 + 1002 + 1003);
    let page = nix::unistd::sysconf(nix::unistd::SysconfVar::PAGE_SIZE).unwrap().unwrap();
    let info = meminfo::parse(meminfo.as_bytes()).unwrap();
    let available = info.available(Some(low * u64::try_from(page).unwrap()));
    let expected = psistats_core::report::percent(info.total_bytes - available, info.total_bytes).0;
    assert_eq!(primary(&mut open(&tree))["mem"], json!(expected as f64 / 10.0));
    assert_ne!(available, info.available(None));
}

#[test]
fn a_line_without_an_end_is_not_read_for_ever() {
    let tree = machine();
    tree.put(
        "proc/meminfo",
        "MemTotal: 1000 kB\nMemFree: 100 kB\nActive(file): 1 kB\nInactive(file): 1 kB\nSReclaimable: 1 kB\n",
    );
    link(&tree, "proc/zoneinfo", "/dev/zero");
    assert_eq!(primary(&mut open(&tree))["mem"], json!(90.0));
}

/// Every file of the boards.
fn real_files() -> Vec<Vec<u8>> {
    fn under(directory: &Path, files: &mut Vec<Vec<u8>>) {
        for entry in fs::read_dir(directory).unwrap() {
            let entry = entry.unwrap();
            let kind = entry.file_type().unwrap();
            if kind.is_dir() {
                under(&entry.path(), files);
            } else if kind.is_file() {
                files.push(fs::read(entry.path()).unwrap());
            }
        }
    }
    let mut files = Vec::new();
    for board in all() {
        under(&board, &mut files);
    }
    files
}

/// A dump as the kernel sends one: two addresses.
fn dump() -> Vec<u8> {
    let mut dump = Vec::new();
    for address in [[127, 0, 0, 1], [192, 0, 2, 2]] {
        dump.extend(44_u32.to_ne_bytes());
        dump.extend([20_u16, 2].map(u16::to_ne_bytes).concat());
        dump.extend([7_u32, 4711].map(u32::to_ne_bytes).concat());
        dump.extend([2, 24, 0, 0, 2, 0, 0, 0]);
        for kind in [1_u16, 2] {
            dump.extend([8, kind].map(u16::to_ne_bytes).concat());
            dump.extend(address);
        }
        dump.extend(4_u32.to_ne_bytes());
    }
    dump
}

/// A table of mounts.
const MOUNTS: &[u8] = b"27 1 179:2 / / rw,relatime shared:1 - ext4 /dev/mmcblk0p2 rw
31 27 0:50 / /mnt/nas rw - nfs4 nas:/export rw,hard
32 31 8:2 /a\\040b /mnt/nas/local rw - ext4 /dev/sdb1 rw
";

/// Feeds `text` to every parser, and looks at what comes out.
fn feed(text: &[u8]) {
    if let Some(times) = stat::parse(text) {
        assert!(times.busy() <= times.total());
        assert_eq!(times.since(&times).total(), 0);
    }
    let _ = stat::each_core(text, |_, times| assert!(times.busy() <= times.total()));
    if let Some(info) = meminfo::parse(text) {
        for low in [None, Some(0), Some(4096 * 1181), Some(u64::MAX)] {
            assert!(info.available(low) <= info.total_bytes.max(info.free_bytes));
        }
    }
    meminfo::swap(text);
    assert!(cpuinfo::board(text).count() <= text.len());
    assert!(os_release::pretty_name::<8>(text).is_none_or(|name| !name.is_empty()));
    assert!(kernel::text(text).is_none_or(|text| !text.is_empty()));
    assert!(pressure::parse(text).is_none_or(|p| p.some.or(p.full).is_some()));
    assert!(cpufreq::parse(text).is_none_or(|Fixed(khz)| khz > 0));
    assert!(cpulist::ranges(text).count() <= text.len() + 1);
    zoneinfo::low_pages(text);
    assert!(uptime::parse(text).is_none_or(|Fixed(hundredths)| hundredths >= 0));
    if let Some(Fixed(millidegrees)) = thermal::parse(text) {
        assert!((-39_999..=150_000).contains(&millidegrees) && millidegrees != 0);
    }
    thermal::rank(text);
    for kind in hwmon::Kind::ALL {
        hwmon::Kind::parse(kind, text);
    }
    if let Ok(name) = std::str::from_utf8(&text[..text.len().min(limits::SENSOR_LABEL)]) {
        for subsystem in ["platform", "i2c", "spi", "pci", "hid", "mdio_bus", "scsi"] {
            let address = hwmon::Address::of(subsystem, name.trim());
            assert!(address.is_none_or(|address| address.to_string().starts_with(|c: char| c.is_ascii())));
        }
    }
    throttled::parse(text);
    throttled::parse_alarm(text);
    assert!(hostname::parse(text).is_none_or(|name| (1..=HOSTNAME).contains(&name.len())));
    assert!(boot_id::parse(text).is_none_or(|id| id.len() == 36));
    let mut found = Addresses::default();
    let mut place = mountinfo::Place::default();
    for mount in mountinfo::mounts(text).flatten() {
        place.add("/mnt/nas/local", &mount);
        assert!(mount.point().count() <= text.len());
    }
    assert!(place.waits().is_none_or(|kind| kind.len() <= FILE_SYSTEM));
    for device in diskstats::devices(text) {
        assert!(!device.name.is_empty() && !diskstats::is_partition(device.name, device.name));
    }
    if let Some(columns) = net_dev::Columns::of(text) {
        assert!(columns.interfaces(text).all(|interface| !interface.name.is_empty()));
    }
    for interface in wireless::interfaces(text) {
        let numbers = [interface.level, interface.noise];
        assert!(numbers.into_iter().flatten().all(|dbm| (-128..0).contains(&dbm)));
    }
    assert!(mmc::life_time(text).is_none_or(|used| used.into_iter().flatten().all(|percent| percent <= 110)));
    mmc::pre_eol(text);
    let _ = addresses::parse(text, Family::V4, 7, &mut found);
    let _ = addresses::parse(text, Family::V6, 7, &mut found);
    assert!(found.as_slice().len() <= 2 * ADDRESSES);
}

#[test]
fn kernel_text_that_is_cut_at_any_byte_does_no_harm() {
    for file in real_files().iter().chain([&dump(), &MOUNTS.to_vec()]) {
        // The longest file that is wanted to its end; of the others the beginning.
        for end in 0..=file.len().min(2100) {
            feed(&file[..end]);
        }
    }
}

#[test]
fn the_dump_that_is_mutated_below_is_one() {
    let mut found = Addresses::default();
    assert_eq!(addresses::parse(&dump(), Family::V4, 7, &mut found), Ok(addresses::Progress::More));
    assert_eq!(found.as_slice(), [std::net::IpAddr::from([192, 0, 2, 2])]);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn bytes_of_any_kind_do_no_harm(text in proptest::collection::vec(any::<u8>(), 0..600)) {
        feed(&text);
    }

    #[test]
    fn kernel_text_that_is_mutated_does_no_harm(
        file in any::<proptest::sample::Index>(),
        changes in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>(), 0..3_u8), 1..8),
    ) {
        thread_local!(static FILES: Vec<Vec<u8>> = {
            let mut files = real_files();
            // As likely as all the text.
            let dumps = vec![dump(); files.len()];
            files.extend(dumps);
            files.extend(vec![MOUNTS.to_vec(); 20]);
            files
        });
        let mut text = FILES.with(|files| file.get(files).clone());
        for (at, byte, how) in changes {
            if text.is_empty() {
                break;
            }
            let at = at.index(text.len());
            match how {
                0 => text[at] = byte,
                1 => text.insert(at, byte),
                _ => drop(text.remove(at)),
            }
        }
        feed(&text);
    }

    #[test]
    fn an_answer_of_any_kind_from_the_firmware_does_no_harm(words in any::<[u32; 8]>(), flaws in 0..8_usize) {
        let mut answer = [32, 0x8000_0000, 0x0003_0006, 8, 0x8000_0008, 0, words[6], 0];
        answer[..flaws].copy_from_slice(&words[..flaws]);
        let in_range = |celsius: Option<Thousandths>| celsius.is_none_or(|c| (-39_999..=150_000).contains(&c.0));
        prop_assert!(in_range(mailbox::parse_temperature(&answer)));
        prop_assert!(in_range(mailbox::parse_temperature(&words)));
        let _ = mailbox::parse_throttled(&words);
    }

    #[test]
    fn figures_stay_in_their_ranges_whatever_the_files_say(
        stats in proptest::collection::vec(proptest::collection::vec(any::<u64>(), 3..12), 2..5),
        memory in any::<[u64; 7]>(),
        shift in 0..64_u32,
        raw in any::<i64>(),
    ) {
        let tree = Tree::new();
        let names = ["MemTotal", "MemFree", "Cached", "Active(file)", "Inactive(file)", "SReclaimable", "MemAvailable"];
        let lines = names.iter().zip(memory).map(|(name, value)| format!("{name}: {} kB\n", value >> shift));
        tree.put("proc/meminfo", lines.collect::<String>());
        tree.put("proc/zoneinfo", format!("  low {}\n", memory[0] >> (shift / 2)));
        tree.put("proc/uptime", format!("{}.{} 1\n", memory[1] >> shift, memory[2]));
        tree.put(ZONE, format!("{}\n", raw >> shift));
        tree.put("proc/stat", "");
        let mut sampler = open_sampler(tree.path(), TIMESTAMPS);
        for fields in stats {
            let fields: String = fields.iter().map(|field| format!(" {}", field >> shift)).collect();
            tree.put("proc/stat", format!("cpu {fields}\n"));
            let report: Value = serde_json::from_slice(sampler.report(tick(raw >> 12, true))).unwrap();
            let within = |key: &str, low: f64, high: f64| {
                report[key].is_null() || report[key].as_f64().is_some_and(|value| (low..=high).contains(&value))
            };
            prop_assert!(within("cpu", 0.0, 100.0) && within("mem", 0.0, 100.0), "{report}");
            prop_assert!(within("cpu_temp", -39.999, 150.0) && within("uptime", 0.0, f64::MAX), "{report}");
        }
    }
}
