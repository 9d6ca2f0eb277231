//! The results as a table: plain TCP relay, proxy, ratio.

/// One line of the table.
pub(crate) struct Row {
    name: &'static str,
    tcp: f64,
    proxy: f64,
}

impl Row {
    /// The medians of what `pick` takes from each result, plain relay first.
    pub(crate) fn new(
        name: &'static str,
        results: &[Vec<(f64, f64)>; 2],
        pick: fn(&(f64, f64)) -> f64,
    ) -> Self {
        let [tcp, proxy] = results;
        Self { name, tcp: median(tcp.iter().map(pick)), proxy: median(proxy.iter().map(pick)) }
    }
}

/// The middle value; of an even number the upper one.
fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut sorted: Vec<f64> = values.collect();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
}

pub(crate) fn print(rows: &[Row]) {
    println!("\n{:<24}{:>12}{:>12}{:>8}", "", "TCP relay", "proxy", "ratio");
    for row in rows {
        println!(
            "{:<24}{:>12.2}{:>12.2}{:>8.2}",
            row.name,
            row.tcp,
            row.proxy,
            row.proxy / row.tcp
        );
    }
}
