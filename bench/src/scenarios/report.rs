//! What scenarios found: a table for people, then one line of JSON.

use std::io::Write;

use serde_json::{Map, Value, json};

use super::Setting;
use super::figures::{Figure, Line, Wanted};

/// One line, as soon as it is known.
pub(crate) fn tell(out: &mut impl Write, line: &Line) -> anyhow::Result<()> {
    writeln!(out, "{:<58}{:>26}", line.name, verdict(line.is_met()))?;
    for figure in &line.figures {
        let (bound, met) = match figure.wanted {
            Some(wanted) => (wanted.to_string(), verdict(figure.is_met())),
            None => Default::default(),
        };
        writeln!(out, "  {:<46}{:>10}{bound:>14}{met:>12}", figure.name, shown(figure.value))?;
    }
    for words in &line.words {
        writeln!(out, "  {words}")?;
    }
    Ok(())
}

/// `load`: the load average when the run began.
pub(crate) fn print(setting: &Setting, load: f64, lines: &[Line]) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    let times = setting.times;
    writeln!(
        out,
        "a service of {} records a second; trouble for {} s, overload for {} s; load average \
         {load:.2} at the start",
        setting.rate,
        times.trouble.as_secs(),
        times.overload.as_secs()
    )?;
    for line in lines {
        tell(&mut out, line)?;
    }
    let scenarios: Map<String, Value> =
        lines.iter().map(|line| (line.name.to_owned(), of_line(line))).collect();
    let report = json!({
        "rate": setting.rate,
        "seconds": times.trouble.as_secs(),
        "overload_seconds": times.overload.as_secs(),
        "deadline_seconds": times.deadline.as_secs(),
        "load_average": load,
        "scenarios": scenarios,
    });
    writeln!(out, "{report}")?;
    Ok(())
}

fn of_line(line: &Line) -> Value {
    let figures: Map<String, Value> =
        line.figures.iter().map(|figure| (figure.name.to_owned(), of_figure(figure))).collect();
    json!({"met": line.is_met(), "kept": line.kept, "figures": figures, "words": line.words})
}

fn of_figure(figure: &Figure) -> Value {
    let mut value = json!({"value": figure.value});
    match figure.wanted {
        Some(Wanted::AtLeast(least)) => value["at_least"] = json!(least),
        Some(Wanted::AtMost(most)) => value["at_most"] = json!(most),
        None => return value,
    }
    value["met"] = json!(figure.is_met());
    value
}

fn verdict(met: bool) -> String {
    if met { "met" } else { "MISSED" }.to_owned()
}

fn shown(value: Option<f64>) -> String {
    match value {
        None => "never".to_owned(),
        Some(value) if value.fract() == 0.0 || value.abs() >= 1000.0 => format!("{value:.0}"),
        Some(value) if value.abs() >= 10.0 => format!("{value:.1}"),
        Some(value) => format!("{value:.3}"),
    }
}

impl std::fmt::Display for Wanted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::AtLeast(least) => write!(f, "≥ {}", shown(Some(*least))),
            Self::AtMost(most) if most.is_infinite() => f.write_str("in the end"),
            Self::AtMost(most) => write!(f, "≤ {}", shown(Some(*most))),
        }
    }
}
