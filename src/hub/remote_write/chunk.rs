//! Samples of one board, as they are sent, and how a request is divided that was refused.

use std::sync::Arc;

use super::names::Labels;
use super::protobuf::put_series;

/// Samples of one series.
#[derive(Clone, Debug)]
pub struct Series {
    /// Its labels but the board's name.
    pub labels: Labels,
    /// Times, Unix milliseconds, in their order, and values. At least one.
    pub samples: Vec<(i64, f64)>,
}

/// Samples of one board from its position on.
#[derive(Clone, Debug)]
pub struct Chunk {
    /// The board.
    pub board: Arc<str>,
    /// The label with its name.
    pub instance: Arc<[u8]>,
    /// Where its position is once these have been sent.
    pub to_ms: i64,
    /// Each series once.
    pub series: Vec<Series>,
}

impl Chunk {
    /// How many samples it has.
    pub fn len(&self) -> usize {
        self.series.iter().map(|series| series.samples.len()).sum()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.series.is_empty()
    }

    /// Adds it to a request.
    pub fn put(&self, request: &mut Vec<u8>) {
        for Series { labels, samples } in &self.series {
            put_series(request, [labels.before(), &self.instance, labels.after()], samples);
        }
    }

    /// The samples up to a time, and those later.
    fn split(self, at_ms: i64) -> (Self, Self) {
        let mut parts = [Vec::new(), Vec::new()];
        let [early, late] = &mut parts;
        for Series { labels, mut samples } in self.series {
            let later = samples.split_off(samples.partition_point(|(time, _)| *time <= at_ms));
            for (to, samples) in [(&mut *early, samples), (&mut *late, later)] {
                if !samples.is_empty() {
                    to.push(Series { labels: labels.clone(), samples });
                }
            }
        }
        let [early, late] = parts;
        let (board, instance) = (self.board.clone(), self.instance.clone());
        let early = Self { board, instance, to_ms: at_ms.min(self.to_ms), series: early };
        (early, Self { series: late, ..self })
    }
}

/// Divides what was refused as a whole, so that what is right of it can be taken: by time, since it is the oldest samples
/// that a receiver refuses most of the time; what is of one second, by boards. None where it is of one second and one
/// board.
pub fn split(chunks: Vec<Chunk>) -> Option<(Vec<Chunk>, Vec<Chunk>)> {
    let series = || chunks.iter().flat_map(|chunk| &chunk.series);
    let first = series().filter_map(|series| series.samples.first()).map(|(time, _)| *time).min()?;
    let last = series().filter_map(|series| series.samples.last()).map(|(time, _)| *time).max()?;
    if last - first >= 1000 {
        let middle = first + (last - first) / 2;
        let parts = chunks.into_iter().map(|chunk| chunk.split(middle));
        let (mut early, mut late): (Vec<_>, Vec<_>) = parts.unzip();
        early.retain(|chunk| !chunk.is_empty());
        late.retain(|chunk| !chunk.is_empty());
        return Some((early, late));
    }
    let mut chunks = chunks;
    let late = chunks.split_off(chunks.len() / 2);
    (!chunks.is_empty()).then_some((chunks, late))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunk(board: &str, times: &[i64]) -> Chunk {
        let samples = times.iter().map(|time| (*time, 1.0)).collect();
        let series = vec![Series { labels: Labels::of_test(), samples }];
        Chunk { board: board.into(), instance: Arc::default(), to_ms: *times.last().unwrap_or(&0), series }
    }

    fn times(chunks: &[Chunk]) -> Vec<(&str, Vec<i64>, i64)> {
        let of = |chunk: &Chunk| chunk.series[0].samples.iter().map(|(time, _)| *time).collect();
        chunks.iter().map(|chunk| (&*chunk.board, of(chunk), chunk.to_ms)).collect()
    }

    #[test]
    fn what_was_refused_is_divided_by_time_and_then_by_boards() {
        let both = vec![chunk("a", &[0, 1000, 5000, 6000]), chunk("b", &[5500])];
        let (early, late) = split(both).unwrap();
        assert_eq!(times(&early), [("a", vec![0, 1000], 3000)]);
        assert_eq!(times(&late), [("a", vec![5000, 6000], 6000), ("b", vec![5500], 5500)]);
        let (early, late) = split(vec![chunk("a", &[0, 999]), chunk("b", &[5])]).unwrap();
        assert_eq!((times(&early).len(), times(&late).len()), (1, 1));
        assert!(split(vec![chunk("a", &[0, 999])]).is_none());
    }
}
