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

/// When the first sample of some was taken; None where there is none.
pub fn first_ms(chunks: &[Chunk]) -> Option<i64> {
    let series = chunks.iter().flat_map(|chunk| &chunk.series);
    series.filter_map(|series| series.samples.first()).map(|(time, _)| *time).min()
}

/// Half of the boards, and the others. Chunks of a board stand together.
///
/// # Errors
/// The chunks, which are all of one board.
pub fn by_boards(mut chunks: Vec<Chunk>) -> Result<(Vec<Chunk>, Vec<Chunk>), Vec<Chunk>> {
    let borders = chunks.iter().zip(chunks.iter().skip(1)).zip(1..);
    let borders = borders.filter(|((one, other), _)| one.board != other.board).map(|(_, place)| place);
    let middle = chunks.len() / 2;
    match borders.min_by_key(|place: &usize| place.abs_diff(middle)) {
        Some(place) => {
            let late = chunks.split_off(place);
            Ok((chunks, late))
        }
        None => Err(chunks),
    }
}

/// The samples up to a time, and those later.
pub fn by_time(chunks: Vec<Chunk>, at_ms: i64) -> (Vec<Chunk>, Vec<Chunk>) {
    let (mut early, mut late): (Vec<_>, Vec<_>) = chunks.into_iter().map(|chunk| chunk.split(at_ms)).unzip();
    early.retain(|chunk| !chunk.is_empty());
    late.retain(|chunk| !chunk.is_empty());
    (early, late)
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
    fn chunks_are_divided_by_boards_and_by_time() {
        let chunks = || vec![chunk("a", &[0, 1000]), chunk("a", &[5000, 6000]), chunk("b", &[5500])];
        let (early, late) = by_boards(chunks()).unwrap();
        assert_eq!((times(&early).len(), times(&late)), (2, vec![("b", vec![5500], 5500)]));
        assert!(by_boards(early).is_err());
        let (early, late) = by_time(chunks(), 5000);
        assert_eq!(times(&early), [("a", vec![0, 1000], 1000), ("a", vec![5000], 5000)]);
        assert_eq!(times(&late), [("a", vec![6000], 6000), ("b", vec![5500], 5500)]);
        assert_eq!(first_ms(&late), Some(5500));
    }
}
