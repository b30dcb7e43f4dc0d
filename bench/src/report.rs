//! What a run found: a table for people, then one line of JSON.

use std::io::Write as _;

use anyhow::Context as _;
use serde_json::{Map, Value, json};

use crate::rounds::{Plan, Turn, Turns};
use crate::workload::{PARTITIONS, VALUE_BYTES};

/// Median and extremes of one figure over the rounds.
struct Spread {
    median: f64,
    least: f64,
    most: f64,
}

impl Spread {
    fn of(figures: impl Iterator<Item = f64>) -> anyhow::Result<Self> {
        let mut figures: Vec<f64> = figures.collect();
        figures.sort_by(f64::total_cmp);
        let (least, most) = (figures.first(), figures.last());
        let (least, most) = least.zip(most).context("there were no rounds")?;
        let middle = figures.len() / 2;
        let median = if figures.len() % 2 == 1 {
            figures[middle]
        } else {
            f64::midpoint(figures[middle - 1], figures[middle])
        };
        Ok(Self { median, least: *least, most: *most })
    }

    fn json(&self) -> Value {
        json!({"median": self.median, "min": self.least, "max": self.most})
    }
}

/// `load`: the load average when the run began.
pub(crate) fn print(plan: &Plan, load: f64, results: &[Turns]) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(
        out,
        "{VALUE_BYTES}-byte records, {} keys, {PARTITIONS} partitions, {} in flight, answered after {} ms; \
         {} rounds of {} s",
        plan.keys, plan.in_flight, plan.delay_ms, plan.rounds, plan.seconds
    )?;
    writeln!(
        out,
        "{:<10}{:>11}{:>18}{:>14}{:>15}   CPU seconds per million records",
        "peer", "records/s", "min .. max", "ratio", "min .. max"
    )?;
    let mut peers = Map::new();
    for of_peer in results {
        let Turns { peer, turns, .. } = of_peer;
        let rate = Spread::of(turns.iter().map(|turn| turn.per_second))?;
        let ratio = ratio(of_peer, results)?;
        let cpu = cpu(turns)?;
        let shown: Vec<String> =
            cpu.iter().map(|(name, cpu)| format!("{name} {:.2}", cpu.median)).collect();
        let (to, spread) = match &ratio {
            Some((to, ratio)) => (
                format!("{:.2} of {to}", ratio.median),
                format!("{:.2} .. {:.2}", ratio.least, ratio.most),
            ),
            None => Default::default(),
        };
        writeln!(
            out,
            "{peer:<10}{:>11.0}{:>18}{to:>14}{spread:>15}   {}",
            rate.median,
            format!("{:.0} .. {:.0}", rate.least, rate.most),
            shown.join(", ")
        )?;
        let cpu: Map<String, Value> =
            cpu.iter().map(|(name, cpu)| ((*name).to_owned(), cpu.json())).collect();
        peers.insert(
            (*peer).to_owned(),
            json!({
                "records_per_second": rate.json(),
                "ratio_to": ratio.as_ref().map(|(to, _)| *to),
                "ratio": ratio.as_ref().map(|(_, ratio)| ratio.json()),
                "cpu_seconds_per_million": cpu,
            }),
        );
    }
    let over_all =
        |figure: fn(&Turn) -> f64| Spread::of(results.iter().flat_map(|of| &of.turns).map(figure));
    let (others, stolen) = (over_all(|turn| turn.others)?, over_all(|turn| turn.stolen)?);
    writeln!(
        out,
        "load average {load:.2} at the start; of the processors, other processes had {:.2} \
         (at most {:.2}), the hypervisor {:.2} (at most {:.2})",
        others.median, others.most, stolen.median, stolen.most
    )?;
    let report = json!({
        "workload": {
            "value_bytes": VALUE_BYTES,
            "keys": plan.keys,
            "partitions": PARTITIONS,
            "in_flight": plan.in_flight,
            "delay_ms": plan.delay_ms,
        },
        "rounds": plan.rounds,
        "seconds": plan.seconds,
        "load_average": load,
        "processors_of_others": others.json(),
        "processors_stolen": stolen.json(),
        "peers": peers,
    });
    writeln!(out, "{report}")?;
    Ok(())
}

/// Each turn against its limit's of the same round, so that a slow moment cancels out.
fn ratio(peer: &Turns, all: &[Turns]) -> anyhow::Result<Option<(&'static str, Spread)>> {
    let Some(limit) = peer.limit else { return Ok(None) };
    let Some(to) = all.iter().find(|other| other.peer == limit) else { return Ok(None) };
    let turns = peer.turns.iter().zip(&to.turns);
    let ratios = turns.map(|(turn, limit)| turn.per_second / limit.per_second);
    Ok(Some((limit, Spread::of(ratios)?)))
}

/// Every process of the peer, with its spread over the rounds.
fn cpu(turns: &[Turn]) -> anyhow::Result<Vec<(&'static str, Spread)>> {
    let names = turns.first().map(|turn| &turn.cpu_per_million).into_iter().flatten();
    names
        .enumerate()
        .map(|(at, (name, _))| {
            let figures = turns.iter().filter_map(|turn| turn.cpu_per_million.get(at));
            Ok((*name, Spread::of(figures.map(|(_, cpu)| *cpu))?))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle_or_between_the_middles() {
        let spread = Spread::of([3.0, 1.0, 2.0].into_iter()).unwrap();
        assert_eq!((spread.median, spread.least, spread.most), (2.0, 1.0, 3.0));
        assert_eq!(Spread::of([4.0, 1.0].into_iter()).unwrap().median, 2.5);
        assert!(Spread::of(std::iter::empty()).is_err());
    }
}
