//! The results as a table: what is compared with, ours, ratio.

/// One line of the table.
pub(crate) struct Row {
    name: &'static str,
    theirs: f64,
    ours: f64,
}

impl Row {
    /// The medians of what `pick` takes from each result, the other's first.
    pub(crate) fn new(
        name: &'static str,
        results: &[Vec<(f64, f64)>; 2],
        pick: fn(&(f64, f64)) -> f64,
    ) -> Self {
        let [theirs, ours] = results;
        Self { name, theirs: median(theirs.iter().map(pick)), ours: median(ours.iter().map(pick)) }
    }
}

/// The middle value; of an even number the upper one.
fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut sorted: Vec<f64> = values.collect();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
}

pub(crate) fn print(theirs: &str, ours: &str, rows: &[Row]) {
    println!("\n{:<34}{theirs:>12}{ours:>12}{:>8}", "", "ratio");
    for row in rows {
        println!(
            "{:<34}{:>12.2}{:>12.2}{:>8.2}",
            row.name,
            row.theirs,
            row.ours,
            row.ours / row.theirs
        );
    }
}
