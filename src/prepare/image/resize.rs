//! Resizing with antialiasing: the triangle filter, as TensorFlow's `image.resize(method="bilinear", antialias=True)` has it.
//!
//! A target pixel is the mean of the source pixels, weighted by their distance from its centre in units of the larger of the
//! two pixel sizes. The filter is separable. Height comes first: whole rows are added up, which compilers turn into vector
//! instructions, and what is held as floats is one row, whatever the picture's size.

/// The weights of one direction.
struct Taps {
    /// For each target: its first source, and where its weights end.
    targets: Vec<(usize, usize)>,
    weights: Vec<f32>,
}

impl Taps {
    fn new(sources: usize, targets: usize) -> Taps {
        let scale = sources as f64 / targets as f64;
        let radius = scale.max(1.0);
        let mut taps = Taps { targets: Vec::with_capacity(targets), weights: Vec::new() };
        for target in 0..targets {
            let centre = (target as f64 + 0.5) * scale;
            let from = (centre - radius + 0.5).floor().max(0.0) as usize;
            let to = ((centre + radius + 0.5).floor() as usize).min(sources);
            let weight = |at: usize| (1.0 - ((at as f64 + 0.5 - centre) / radius).abs()).max(0.0);
            let total: f64 = (from..to).map(weight).sum();
            taps.weights.extend((from..to).map(|at| (weight(at) / total) as f32));
            taps.targets.push((from, taps.weights.len()));
        }
        taps
    }

    /// First source and weights of each target.
    fn iter(&self) -> impl Iterator<Item = (usize, &[f32])> {
        let mut start = 0;
        self.targets.iter().map(move |&(from, end)| {
            let weights = &self.weights[start..end];
            start = end;
            (from, weights)
        })
    }
}

/// Rows of RGB bytes of the target size; `None` if `pixels` are no rows of RGB bytes of the source size. Sizes are width and
/// height, in pixels, and not zero.
pub(super) fn resize(pixels: &[u8], from: (u32, u32), to: (u32, u32)) -> Option<Vec<u8>> {
    let [from, to] = [from, to].map(|(width, height)| (width as usize, height as usize));
    let row_bytes = from.0 * 3;
    if pixels.len() != row_bytes * from.1 || pixels.is_empty() {
        return None;
    }
    let columns = Taps::new(from.0, to.0);
    let mut row = vec![0.0f32; row_bytes];
    let mut resized = Vec::with_capacity(to.0 * to.1 * 3);
    for (first, weights) in Taps::new(from.1, to.1).iter() {
        row.fill(0.0);
        let sources = pixels[first * row_bytes..].chunks_exact(row_bytes);
        for (source, weight) in sources.zip(weights) {
            for (sum, &level) in row.iter_mut().zip(source) {
                *sum += weight * f32::from(level);
            }
        }
        let (row, _) = row.as_chunks::<3>();
        for (first, weights) in columns.iter() {
            let mut sums = [0.0f32; 3];
            for (source, weight) in row[first..].iter().zip(weights) {
                for (sum, level) in sums.iter_mut().zip(source) {
                    *sum += weight * level;
                }
            }
            // The conversion saturates.
            resized.extend(sums.map(|sum| (sum + 0.5) as u8));
        }
    }
    Some(resized)
}
