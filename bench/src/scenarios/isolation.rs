//! A hundredth of all keys fails for a while; the others must not notice.

use forebay_trial::{Limit, Rule, Script, Share};

use super::Setting;
use super::figures::{Line, Wanted, throughput};
use super::scene::Scene;

const SICK: Share = Share { count: 1, of: 100 };

pub(crate) fn run(setting: &Setting) -> anyhow::Result<Line> {
    let times = setting.times;
    let whole = times.warm_up + times.before + times.trouble + times.after;
    let backlog = (whole.as_secs() as usize + 5) * setting.rate as usize;
    let sick = Rule::answering(500).share(SICK.count, SICK.of).while_on("sick");
    let script = Script::accepting().limit(Limit::per_second(setting.rate)).rule(sick);
    let mut scene = Scene::open(setting, "isolation", vec![script], backlog)?;
    scene.warm_up()?;
    let before = scene.watch(times.before)?;
    scene.services[0].switch_on("sick");
    let trouble = scene.watch(times.trouble)?;
    scene.services[0].switch_off("sick");
    let after = scene.watch(times.after)?;
    scene.finish()?;

    let deliveries = scene.deliveries();
    let letters = scene.letters()?;
    let well = |delivery: &forebay_trial::Delivery| {
        delivery.what.key.as_ref().is_some_and(|key| !SICK.has(key))
    };
    let rate = |window| throughput(&deliveries, window, well);
    let mut line = Line::new("isolation");
    line.tell("others accepted a second, before", rate(&before));
    line.tell("others accepted a second, meanwhile", rate(&trouble));
    let part = rate(&trouble) / rate(&before);
    line.want("others, meanwhile / before", part, Wanted::AtLeast(0.95));
    line.tell("others, afterwards / before", rate(&after) / rate(&before));
    let sick = deliveries.iter().filter(|delivery| !well(delivery));
    let sick = sick.filter(|delivery| trouble.contains(&delivery.started)).count();
    line.tell("deliveries of sick keys, meanwhile", sick as f64);
    line.tell("gateway's memory before, MiB", scene.resident_last(&before));
    line.tell("gateway's memory meanwhile at most, MiB", scene.resident_most(&trouble));
    line.tell("gateway's memory at the end of the trouble, MiB", scene.resident_last(&trouble));
    let growth = scene.resident_most(&trouble).zip(scene.resident_last(&before));
    let growth = growth.map(|(most, before)| most / before);
    line.want("memory, meanwhile at most / before", growth, Wanted::AtMost(1.2));
    line.tell("dead letters, after all their attempts", letters.len() as f64);
    scene.judge(&mut line, &deliveries, &letters);
    Ok(line)
}
