//! The recent hour: what is kept comes back, at its time, with gaps as gaps.

use std::collections::BTreeMap;

use proptest::collection::vec;
use proptest::prelude::*;
use psistats_hub::fleet::Points;
use psistats_hub::fleet::recent::{HOUR_MS, Recent};
use psistats_hub::fleet::series::{ROWS, decode, decode_integers, encode, encode_integers};

use crate::START;

fn round_trip(values: &[f64]) -> (Vec<f64>, usize) {
    let mut bytes = vec![7];
    encode(values, &mut bytes);
    let (mut rest, mut read) = (&bytes[1..], Vec::new());
    decode(&mut rest, values.len(), |value| read.push(value)).unwrap();
    assert!(rest.is_empty());
    (read, bytes.len() - 1)
}

proptest! {
    #[test]
    fn decimals_of_up_to_six_places_are_kept_exactly(
        places in 0..=6_i32,
        values in vec(-1_000_000_000..1_000_000_000_i64, 1..=ROWS),
    ) {
        let values: Vec<_> = values.iter().map(|value| *value as f64 / 10_f64.powi(places)).collect();
        prop_assert_eq!(round_trip(&values).0, values);
    }

    #[test]
    fn any_other_number_is_kept_to_seven_digits(values in vec(any::<f64>().prop_filter("finite", |v| v.is_finite()), 1..=ROWS)) {
        for (value, read) in values.iter().zip(round_trip(&values).0) {
            prop_assert!((value - read).abs() <= value.abs() * 1e-7 + 1e-37, "{} {}", value, read);
        }
    }

    #[test]
    fn any_integers_are_kept(values in vec(any::<i64>(), 0..=ROWS)) {
        let mut bytes = Vec::new();
        encode_integers(&values, &mut bytes);
        let (mut rest, mut read) = (&bytes[..], Vec::new());
        decode_integers(&mut rest, values.len(), |value| read.push(value)).unwrap();
        prop_assert_eq!(read, values);
        prop_assert!(rest.is_empty());
    }

    #[test]
    fn any_bytes_are_read_without_a_panic(bytes in vec(any::<u8>(), 0..200), count in 0..=ROWS) {
        decode(&mut &bytes[..], count, |_| ());
    }

    #[test]
    fn samples_come_back_in_the_order_of_their_times_whatever_the_order_they_came_in(
        rows in vec((0..600_i64, vec((0..5_u16, -100..100_i32), 0..4)), 0..400),
        from in 0..600_i64,
        to in 0..600_i64,
    ) {
        let mut recent = Recent::default();
        let mut expected = vec![BTreeMap::new(); 5];
        for (at, samples) in rows {
            let samples: BTreeMap<u16, i32> = samples.into_iter().collect();
            let samples: Vec<_> = samples.into_iter().map(|(slot, value)| (slot, f64::from(value) / 10.0)).collect();
            recent.push(START + at, &samples, START);
            for (slot, value) in samples {
                expected[usize::from(slot)].insert(START + at, value);
            }
        }
        let all: Vec<_> = (0_u16..).zip(&expected).flat_map(|(slot, samples)| {
            samples.iter().map(move |(at, value)| (slot, *at, *value))
        }).filter(|(_, at, _)| (START + from..=START + to).contains(at)).collect();
        prop_assert_eq!(recent.all(START + from, START + to), all);
        let times: Vec<_> = expected.iter().flat_map(|samples| samples.keys().copied()).collect();
        prop_assert_eq!((recent.oldest_ms(), recent.newest_ms()), (times.iter().min().copied(), times.iter().max().copied()));
        // No sample is passed over, and each step goes on.
        let next = times.iter().copied().filter(|time| *time > START + from).min();
        prop_assert_eq!(recent.next_ms(START + from).is_some(), next.is_some());
        prop_assert!(recent.next_ms(START + from) <= next && recent.next_ms(START + from).is_none_or(|at| at > START + from));
        for (slot, expected) in expected.iter().enumerate() {
            let mut samples = Vec::new();
            recent.samples(slot as u16, START + from, START + to, &mut samples);
            let times = START + from.min(to)..=START + to;
            let expected: Vec<_> = expected.range(times).map(|(at, value)| (*at, *value)).collect();
            if from <= to {
                prop_assert_eq!(samples, expected);
            } else {
                prop_assert_eq!(samples, []);
            }
        }
    }

    #[test]
    fn points_hold_every_sample_and_a_null_for_each_gap(
        steps in vec(prop_oneof![20 => 900..1_100_i64, 1 => 2_600..100_000_i64], 1..300),
        points in 1..400_usize,
    ) {
        let mut at = START;
        let samples: Vec<_> = steps.iter().enumerate().map(|(n, step)| { at += step; (at, n as f64) }).collect();
        let all = Points::of(&samples, START, at, points, 1_000);
        prop_assert!(all.t.is_sorted());
        let gaps = steps.iter().skip(1).filter(|step| **step > 2_750).count();
        let nulls = all.avg.iter().filter(|avg| avg.is_none()).count();
        // The threshold is 2.5 times the median of these steps, which a gap must not be.
        prop_assume!(gaps * 3 < steps.len());
        prop_assert!(nulls >= gaps && nulls <= steps.iter().skip(1).filter(|step| **step > 2_250).count());
        prop_assert!(all.t.len() - nulls <= points + nulls);
        for ((min, avg), max) in all.min.iter().zip(&all.avg).zip(&all.max) {
            prop_assert!(min <= avg && avg <= max);
        }
        let lowest = all.min.iter().flatten().copied().fold(f64::INFINITY, f64::min);
        let highest = all.max.iter().flatten().copied().fold(0.0, f64::max);
        prop_assert_eq!((lowest, highest), (0.0, (steps.len() - 1) as f64));
    }
}

#[test]
fn few_samples_are_points_of_their_own_and_many_are_buckets() {
    let samples: Vec<_> = (0..100).map(|n| (START + n * 1_000, n as f64)).collect();
    let each = Points::of(&samples, START, START + 100_000, 100, 1_000);
    assert_eq!((each.step_ms, each.t.len(), each.t[7], each.avg[7]), (0, 100, START + 7_000, Some(7.0)));
    let tens = Points::of(&samples, START, START + 99_999, 10, 1_000);
    assert_eq!((tens.step_ms, &tens.t[..2], tens.t.len()), (10_000, &[START, START + 10_000][..], 10));
    assert_eq!((tens.avg[1], tens.min[1], tens.max[1]), (Some(14.5), Some(10.0), Some(19.0)));
}

#[test]
fn a_gap_is_one_point_without_values_after_the_last_sample() {
    let at = |n: i64| (START + n * 1_000, 1.0);
    let samples: Vec<_> = (0..10).chain(60..70).map(at).collect();
    let points = Points::of(&samples, START, START + 70_000, 600, 1_000);
    assert_eq!((points.t.len(), points.t[10], points.avg[10]), (21, START + 10_000, None));
    // A figure that comes once a minute has no gaps though its board reports each second.
    let samples: Vec<_> = (0..10).map(|n| at(n * 60)).collect();
    assert!(Points::of(&samples, START, START + 600_000, 600, 1_000).avg.iter().all(Option::is_some));
    assert_eq!(Points::of(&[], START, START, 600, 1_000), Points::default());
}

#[test]
fn an_hour_stays_and_what_is_older_goes() {
    let mut recent = Recent::default();
    let mut most = 0;
    for n in 0..20_000_i64 {
        recent.push(START + n * 1_000, &[(0, (n % 7) as f64), (9, 1.0)], START + n * 1_000);
        most = most.max(recent.bytes());
    }
    let newest = START + 19_999_000;
    let mut samples = Vec::new();
    recent.samples(0, newest - HOUR_MS, newest, &mut samples);
    assert_eq!(samples.len(), 3_601);
    samples.clear();
    recent.samples(0, 0, newest, &mut samples);
    assert!(samples.len() <= 3_601 + 2 * ROWS, "{}", samples.len());
    assert!(most < 20_000, "{most}");
    recent.push(newest - HOUR_MS - 1, &[(0, 1.0)], newest);
    samples.clear();
    recent.samples(0, 0, newest - HOUR_MS - 200_000, &mut samples);
    assert_eq!(samples, [], "too late for the hour");
}

#[test]
fn what_a_wrong_clock_dated_into_the_future_goes_once_the_clock_is_right() {
    let mut recent = Recent::default();
    let future = START + 100 * HOUR_MS;
    for n in 0..200 {
        recent.push(future + n, &[(0, 1.0)], future + n);
    }
    for n in 0..200 {
        recent.push(START + n, &[(0, 2.0)], START + n);
    }
    let mut samples = Vec::new();
    recent.samples(0, 0, i64::MAX, &mut samples);
    assert!(samples.iter().filter(|(_, value)| *value == 2.0).count() == 200);
    assert!(samples.iter().filter(|(_, value)| *value == 1.0).count() <= ROWS, "{samples:?}");
}

#[test]
fn a_series_that_does_not_change_takes_next_to_nothing() {
    assert_eq!(round_trip(&[45.2; ROWS]).1, 4);
    let uptime: Vec<_> = (0..ROWS).map(|n| 86_400.0 + n as f64).collect();
    assert!(round_trip(&uptime).1 <= 14, "{}", round_trip(&uptime).1);
}
