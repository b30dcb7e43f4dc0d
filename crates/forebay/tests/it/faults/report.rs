//! What a run did and what became of it, in words for people and as a page.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use forebay_trial::clock;

use super::fault::Fault;
use super::fleet::Protocol;
use super::trial::{Done, Outcome, Setting};

impl Outcome {
    /// Every promise that was not kept, in words.
    pub(super) fn broken(&self) -> Vec<String> {
        let mut broken = Vec::new();
        if !self.verdict.is_kept() {
            broken.push(self.told.clone());
        }
        if self.missing > 0 {
            broken.push(format!("{} acknowledged records are not in Kafka", self.missing));
        }
        if let Some(reborn) = &self.reborn {
            // Of what repeats here no commits tell why; the other topic shows that.
            let kept = reborn.verdict.lost.is_empty()
                && reborn.verdict.out_of_order.is_empty()
                && reborn.verdict.foreign.is_empty();
            if !kept {
                broken.push(format!("of the topic that was created again: {}", reborn.told));
            }
        }
        broken
    }

    /// In seconds.
    pub(super) fn longest_standstill(&self) -> f64 {
        self.standstills.values().copied().fold(0.0, f64::max)
    }

    /// The page; what it says of the machine is the caller's.
    pub(super) fn page(&self, setting: &Setting, machine: &str) -> String {
        let mut page = String::new();
        let protocol = match setting.protocol {
            Protocol::ClassicStatic => "classic, static members",
            Protocol::Consumer => "KIP-848",
        };
        let broken = self.broken();
        let kept = if broken.is_empty() { "Every promise was kept." } else { "**Not kept:**" };
        let _ = write!(
            page,
            "# Fault report\n\n<!-- Written by `scripts/faults --minutes N`, whose next run writes it anew. -->\n\n\
             An Apache Kafka of three nodes (replication 3, `min.insync.replicas` 2), {} gateways \
             of one group ({protocol}, session timeout 6 s), two services that refuse former owners \
             and late work, {} records a second, for {:.0} minutes on {machine}. Seed {}.\n\n{kept}\n",
            setting.gateways,
            setting.rate,
            self.seconds / 60.0,
            setting.seed
        );
        for broken in &broken {
            let _ = write!(page, "\n```\n{}\n```\n", broken.trim_end());
        }
        self.figures(&mut page);
        self.faults(&mut page);
        page
    }

    fn figures(&self, page: &mut String) {
        let verdict = &self.verdict;
        page.push_str("\n## The judge's figures\n\n| | |\n|---|---:|\n");
        let reborn = self.reborn.as_ref().map(|reborn| &reborn.verdict);
        let rows = [
            ("faults", self.done.len()),
            ("records in Kafka", self.records),
            ("accepted", verdict.delivered),
            ("dead-lettered", verdict.excused),
            ("lost", verdict.lost.len()),
            ("out of order", verdict.out_of_order.len()),
            ("overlapping, in whatever tenures", verdict.overlapping.len()),
            ("deliveries of what was not sent", verdict.foreign.len()),
            ("accepted more than once", verdict.duplicated),
            (
                "of these covered by an acknowledged commit, or unexplained",
                verdict.unexplained.len(),
            ),
            ("commits that Kafka acknowledged", self.commits),
            ("records that Kafka refused in the end", self.failed),
            ("acknowledged records that Kafka lost", self.missing),
            ("of the topic created again: accepted", reborn.map_or(0, |reborn| reborn.delivered)),
            ("of the topic created again: lost", reborn.map_or(0, |reborn| reborn.lost.len())),
            (
                "of the topic created again: out of order",
                reborn.map_or(0, |reborn| reborn.out_of_order.len()),
            ),
        ];
        for (what, count) in rows {
            let _ = writeln!(page, "| {what} | {count} |");
        }
        page.push_str(
            "\nDelivered again, by the cause that the judge found:\n\n| | |\n|---|---:|\n",
        );
        for (reason, count) in &verdict.repeated {
            let _ = writeln!(page, "| {reason} | {count} |");
        }
        for (by, count) in &self.refused {
            let _ = writeln!(page, "| refused by the services for {by} | {count} |");
        }
    }

    fn faults(&self, page: &mut String) {
        page.push_str(
            "\n## What was done\n\nSeconds. *Lasted*: until the fault was over. *Level*: from then \
             until all that had been acknowledged was committed. *Standstill*: the longest time in \
             which a partition had records and none was accepted; *none*: under half a second.\n\n\
             | fault | times | lasted, at most | level, at most | standstill |\n|---|---:|---:|---:|---:|\n",
        );
        let mut by_fault: BTreeMap<Fault, Vec<&Done>> = BTreeMap::new();
        for done in &self.done {
            by_fault.entry(done.fault).or_default().push(done);
        }
        for (fault, all) in by_fault {
            let most = |time: &dyn Fn(&Done) -> u64| {
                clock::seconds(all.iter().map(|done| time(done)).max().unwrap_or(0))
            };
            let (lasted, level) =
                (most(&|done| done.over - done.began), most(&|done| done.recovered - done.over));
            let stood = match self.standstills.get(&Some(fault)) {
                Some(seconds) => format!("{seconds:.1}"),
                None => "none".to_owned(),
            };
            let count = all.len();
            let _ = writeln!(page, "| {fault} | {count} | {lasted:.1} | {level:.1} | {stood} |");
        }
        if let Some(seconds) = self.standstills.get(&None) {
            let _ = writeln!(page, "\nBefore the first fault: {seconds:.1} s.");
        }
    }
}
