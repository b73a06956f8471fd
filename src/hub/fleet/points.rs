//! Samples of a series as points of a chart.

/// The most points that a query gives.
pub const POINTS: usize = 2_000;

/// Points of a chart, in the order of their times. Where a gap begins there is one point without values.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Points {
    /// From one point to the next where there is no gap: milliseconds. 0 where each sample is a point.
    pub step_ms: i64,
    /// When each point begins: Unix milliseconds.
    pub t: Vec<i64>,
    /// The mean of the samples of each point.
    pub avg: Vec<Option<f64>>,
    /// The lowest of them.
    pub min: Vec<Option<f64>>,
    /// The highest of them.
    pub max: Vec<Option<f64>>,
}

impl Points {
    /// `samples`, in the order of their times, in at most `points` buckets from `from_ms` to `to_ms`; or each sample
    /// where there are no more than `points`. A gap is where no sample came for 2.5 times `interval_ms`, or for 2.5
    /// times what is usual among these samples where that is longer.
    pub fn of(samples: &[(i64, f64)], from_ms: i64, to_ms: i64, points: usize, interval_ms: i64) -> Self {
        let points = points.clamp(1, POINTS);
        let gap_ms = usual(samples).max(interval_ms).saturating_mul(5) / 2;
        let mut all = Self::default();
        if samples.len() > points {
            let span = to_ms.saturating_sub(from_ms).max(1);
            let count = i64::try_from(points).unwrap_or(1);
            all.step_ms = (span / count + 1).max(1);
        }
        let mut bucket = Bucket::default();
        let mut before = None;
        for (time, value) in samples {
            let start = match all.step_ms {
                0 => *time,
                step => from_ms + (time - from_ms).div_euclid(step) * step,
            };
            let is_gap = before.is_some_and(|before| time - before > gap_ms);
            if start != bucket.start || is_gap {
                all.push(&bucket);
                if let Some(before) = before.filter(|_| is_gap) {
                    all.push_gap(before + gap_ms * 2 / 5);
                }
                // What a gap cut in two has two points.
                bucket = Bucket { start, at: if is_gap { *time } else { start }, ..Bucket::default() };
            }
            bucket.add(*value);
            before = Some(*time);
        }
        all.push(&bucket);
        all
    }

    fn push(&mut self, bucket: &Bucket) {
        if bucket.count > 0.0 {
            self.t.push(bucket.at);
            self.avg.push(Some(bucket.mean.clamp(bucket.min, bucket.max)));
            self.min.push(Some(bucket.min));
            self.max.push(Some(bucket.max));
        }
    }

    fn push_gap(&mut self, at_ms: i64) {
        self.t.push(at_ms);
        self.avg.push(None);
        self.min.push(None);
        self.max.push(None);
    }
}

#[derive(Default)]
struct Bucket {
    /// Which one it is.
    start: i64,
    /// Where its point is.
    at: i64,
    count: f64,
    mean: f64,
    min: f64,
    max: f64,
}

impl Bucket {
    fn add(&mut self, value: f64) {
        if self.count == 0.0 {
            (self.min, self.max) = (value, value);
        }
        self.count += 1.0;
        // In this form it stays finite for the largest numbers.
        self.mean += value / self.count - self.mean / self.count;
        self.min = self.min.min(value);
        self.max = self.max.max(value);
    }
}

/// The median time between two samples.
fn usual(samples: &[(i64, f64)]) -> i64 {
    let times = samples.iter().map(|(time, _)| *time);
    let mut steps: Vec<i64> =
        times.clone().skip(1).zip(times).map(|(after, before)| after - before).collect();
    let middle = steps.len() / 2;
    if steps.is_empty() { 0 } else { *steps.select_nth_unstable(middle).1 }
}
