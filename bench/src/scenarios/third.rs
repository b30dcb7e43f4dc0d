//! A release that answers 400 to a third of all keys: the budget of dead letters must stop it
//! before the topic is emptied into them, and what was given up must come back.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use forebay_trial::{Limit, Place, Rule, Script, clock};

use super::Setting;
use super::figures::{Line, Wanted};
use super::scene::{Look, Scene};
use crate::forebay::PATIENCE;

/// The free part of the budget, and the share of what was accepted.
const FREE: f64 = 20.0;
const SHARE: f64 = 0.01;

pub(crate) fn run(setting: &Setting) -> anyhow::Result<Line> {
    let times = setting.times;
    let whole = times.warm_up + times.before + times.trouble + times.after;
    let backlog = (whole.as_secs() as usize + 5) * setting.rate as usize;
    let limit = Limit::per_second(setting.rate);
    let well = Script::accepting().limit(limit);
    let bad = well.clone().rule(Rule::answering(400).share(1, 3));
    let mut scene = Scene::open(setting, "third", vec![well.clone()], backlog)?;
    scene.warm_up()?;
    scene.watch(times.before)?;
    scene.services[0].play(bad);
    let begun = clock::now();
    let held = scene.watch_until(times.trouble, Look::is_held)?;
    // Whether it stays so.
    scene.watch(times.after.min(Duration::from_secs(5)))?;
    let last = scene.look()?;
    let (holds, words) = (last.is_held(), last.shown["held"].as_str().map(str::to_owned));
    let trouble = begun..clock::now();
    let letters = scene.letters()?;
    let so_far = scene.deliveries();
    let accepted = so_far.iter().filter(|delivery| delivery.accepted().is_some()).count() as f64;
    drop(so_far);

    scene.services[0].play(well);
    scene.command("resume")?;
    scene.watch(times.after)?;
    let resumed = scene.finish()?;

    let mut line = Line::new("third");
    line.tell("accepted until it was held", accepted);
    line.want("dead letters", letters.len() as f64, Wanted::AtMost(SHARE * accepted + FREE));
    line.tell("seconds until it was held", held);
    line.want("held", f64::from(u8::from(holds)), Wanted::AtLeast(1.0));
    line.tell("attempts charged at most", scene.charged_most(&trouble));
    if let Some(words) = words {
        line.say(format!("held: {words}"));
    }
    line.want("times it must be resumed again", f64::from(resumed), Wanted::AtMost(0.0));
    let all = scene.letters()?;
    line.want("dead letters since", (all.len() - letters.len()) as f64, Wanted::AtMost(0.0));
    let deliveries = scene.deliveries();
    scene.judge(&mut line, &deliveries, &all);
    drop(deliveries);
    send_back(&mut scene, &mut line, &all)?;
    Ok(line)
}

/// The dead letters go back to where they are from, and are to be accepted once, in their order.
fn send_back(scene: &mut Scene<'_>, line: &mut Line, letters: &[Place]) -> anyhow::Result<()> {
    let begun = clock::now();
    if !scene.redrive()? {
        line.say("dead letters are not sent back: this forebay has no `dead-letters redrive`");
        return Ok(());
    }
    let records = scene.source.count() + letters.len();
    let back = scene.drain(PATIENCE, records)?;
    line.want("seconds until all came back", back, Wanted::AtMost(PATIENCE.as_secs_f64()));
    let mut again: Vec<(u64, Place, Option<String>)> = Vec::new();
    for delivery in scene.deliveries() {
        let at = delivery.accepted().filter(|_| delivery.started >= begun);
        // The key of idempotency tells where a record first lay.
        let mut parts = delivery.what.idempotency_key.rsplit('/');
        let offset = parts.next().and_then(|offset| offset.parse().ok());
        let partition = parts.next().and_then(|partition| partition.parse().ok());
        if let (Some(at), Some(offset), Some(partition)) = (at, offset, partition) {
            let place = Place::new(delivery.what.topic, partition, offset);
            again.push((at, place, delivery.what.key));
        }
    }
    again.sort_unstable();
    let wanted: BTreeSet<&Place> = letters.iter().collect();
    let came: BTreeSet<&Place> = again.iter().map(|(_, place, _)| place).collect();
    let missing = wanted.difference(&came).count();
    line.want("letters that did not come back", missing as f64, Wanted::AtMost(0.0));
    let more = again.len() - came.intersection(&wanted).count();
    line.want("deliveries beside one for each", more as f64, Wanted::AtMost(0.0));
    let mut latest: BTreeMap<&Option<String>, i64> = BTreeMap::new();
    let mut out_of_order = 0;
    for (_, place, key) in &again {
        let last = latest.entry(key).or_insert(place.offset);
        out_of_order += usize::from(place.offset < *last);
        *last = place.offset.max(*last);
    }
    line.want("out of order among them", out_of_order as f64, Wanted::AtMost(0.0));
    Ok(())
}
