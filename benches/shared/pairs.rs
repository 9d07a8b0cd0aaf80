//! Two programs measured in turn, the order alternating, so that what drifts meets both.

use serde_json::{Value, json};
use std::process::Command;

/// Pairs that are measured, after one that is not.
pub const PAIRS: usize = 15;
/// The fourth smallest and the fourth largest of fifteen bound the median with 96.5 % confidence (binomial).
const BOUND: usize = 3;

/// What a process prints in its last line.
pub fn figures(command: &mut Command) -> Value {
    let output = command.output().expect("the process starts");
    let text = String::from_utf8_lossy(&output.stdout);
    let last = text.lines().last().and_then(|line| serde_json::from_str(line).ok());
    last.unwrap_or_else(|| panic!("{}\n{text}{}", output.status, String::from_utf8_lossy(&output.stderr)))
}

/// What two programs told of each of their runs: our own first, then the peer.
pub struct Pairs(Vec<[Value; 2]>);

impl Pairs {
    /// Runs them; `tell` sees each pair with its number.
    pub fn measure(
        own: impl Fn() -> Value,
        peer: impl Fn() -> Value,
        tell: impl Fn(usize, &Value, &Value),
    ) -> Pairs {
        own();
        peer();
        let pairs = (0..PAIRS).map(|pair| {
            let (own, peer) = if pair % 2 == 0 {
                let own = own();
                (own, peer())
            } else {
                let peer = peer();
                (own(), peer)
            };
            tell(pair, &own, &peer);
            [own, peer]
        });
        Pairs(pairs.collect())
    }

    /// Whether it holds of every pair.
    pub fn all(&self, holds: impl Fn(&Value, &Value) -> bool) -> bool {
        self.0.iter().all(|[own, peer]| holds(own, peer))
    }

    /// How many times what the peer took is what ours took: the median, and what bounds it.
    pub fn ratio(&self, took: impl Fn(&Value) -> f64) -> [f64; 3] {
        middle(self.0.iter().map(|[own, peer]| took(peer) / took(own)).collect())
    }

    /// The medians of what ours and the peer took.
    pub fn medians(&self, took: impl Fn(&Value) -> f64) -> [f64; 2] {
        [0, 1].map(|side| middle(self.0.iter().map(|pair| took(&pair[side])).collect())[0])
    }
}

/// The median and its bounds, to three places.
fn middle(mut values: Vec<f64>) -> [f64; 3] {
    values.sort_by(f64::total_cmp);
    [PAIRS / 2, BOUND, PAIRS - 1 - BOUND].map(|at| (values[at] * 1e3).round() / 1e3)
}

/// A number of the figures.
pub fn number(figures: &Value, what: &str) -> f64 {
    figures[what].as_f64().unwrap_or_else(|| panic!("no {what} in {figures}"))
}

/// Measures `own` against `peer`, each of which gives its figures with `what` it took, such as `seconds`, and prints the pairs
/// under the peer's name. Gives the ratio of peer to own, its bounds, and whether `same` held of every pair.
pub fn compare(
    bench: &str,
    what: &str,
    peer_name: &str,
    own: impl Fn() -> Value,
    peer: impl Fn() -> Value,
    same: impl Fn(&Value, &Value) -> bool,
) -> Value {
    let took = |figures: &Value| number(figures, what);
    let pairs = Pairs::measure(own, peer, |pair, own, peer| {
        println!("{bench} {pair}: {:.3} s, {peer_name} {:.3}", took(own), took(peer));
    });
    let ([ratio, low, high], [own_s, peer_s]) = (pairs.ratio(took), pairs.medians(took));
    json!({
        "bench": bench,
        "ratio": ratio,
        "low": low,
        "high": high,
        "pairs": PAIRS,
        "same_output": pairs.all(same),
        "own_s": own_s,
        "peer_s": peer_s,
        "peer": peer_name,
    })
}

/// The ratio's object with what else is to be told, printed as the last line. Fails if the two did not make the same.
pub fn tell(mut ratio: Value, more: Value) {
    let Value::Object(more) = more else { panic!("more is an object") };
    ratio.as_object_mut().expect("an object").extend(more);
    println!("{ratio}");
    assert_eq!(ratio["same_output"], true, "the two do not make the same");
}
