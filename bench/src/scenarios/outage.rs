//! Everything fails for a while, in one way: nothing may be charged or given up, and all must be as
//! before within seconds of the end, without a stampede.

use std::time::Duration;

use forebay_trial::figures::Rate;
use forebay_trial::{Act, Limit, Script, clock};

use super::Setting;
use super::figures::{Line, Wanted, after, until_rate};
use super::scene::Scene;

/// What the service takes for a record, so that its rate needs more than a few in flight.
const WORK: Duration = Duration::from_millis(10);

pub(crate) fn refused(setting: &Setting) -> anyhow::Result<Line> {
    run(setting, "outage-refused", None)
}

pub(crate) fn hang(setting: &Setting) -> anyhow::Result<Line> {
    run(setting, "outage-hang", Some(Script::doing(Act::Hang)))
}

pub(crate) fn unavailable(setting: &Setting) -> anyhow::Result<Line> {
    run(setting, "outage-503", Some(Script::answering(503)))
}

pub(crate) fn bad_gateway(setting: &Setting) -> anyhow::Result<Line> {
    run(setting, "outage-502", Some(Script::answering(502)))
}

pub(crate) fn bad_request(setting: &Setting) -> anyhow::Result<Line> {
    run(setting, "outage-400", Some(Script::answering(400)))
}

pub(crate) fn not_found(setting: &Setting) -> anyhow::Result<Line> {
    run(setting, "outage-404", Some(Script::answering(404)))
}

/// `way`: what the service does meanwhile; none where nothing listens.
fn run(setting: &Setting, name: &'static str, way: Option<Script>) -> anyhow::Result<Line> {
    let times = setting.times;
    let fed = times.warm_up + times.before + times.after;
    let backlog = (fed.as_secs() as usize + 5) * setting.rate as usize;
    let well = Script::accepting().limit(Limit::per_second(setting.rate)).delay(WORK);
    let mut scene = Scene::open(setting, name, vec![well.clone()], backlog)?;
    scene.warm_up()?;
    let before = scene.watch(times.before)?;
    match way {
        Some(way) => scene.services[0].play(way),
        None => {
            let kill = scene.services[0].down();
            scene.kills.push(kill);
        }
    }
    // What was under way when it began has ended a second later.
    let first = scene.watch(times.trouble.min(Duration::from_secs(1)))?;
    let rest = scene.watch(times.trouble.saturating_sub(Duration::from_secs(1)))?;
    scene.services[0].play(well);
    scene.services[0].up();
    let recovered = clock::now();
    let afterwards = scene.watch(times.after)?;
    let trouble = first.start..recovered;
    scene.finish()?;

    let deliveries = scene.deliveries();
    let letters = scene.letters()?;
    let steady = Rate::accepted(&deliveries, before).steady() as f64;
    let mut line = Line::new(name);
    line.tell("accepted a second, before", steady);
    line.want("dead letters", letters.len() as f64, Wanted::AtMost(0.0));
    // A second more, for what failed last.
    let charged = scene.charged_most(&(trouble.start..after(recovered, Duration::from_secs(1))));
    line.want("attempts charged at most", charged, Wanted::AtMost(0.0));
    let back = until_rate(&deliveries, &(recovered..afterwards.end), 0.9 * steady);
    line.want("seconds until 90 % of before", back, Wanted::AtMost(5.0));
    let offered = Rate::offered(&deliveries, recovered..afterwards.end);
    let busiest = offered.busiest() as f64 / steady;
    line.want("busiest second afterwards / before", busiest, Wanted::AtMost(1.5));
    let came = |window: &super::figures::Window| {
        let began = deliveries.iter().filter(|delivery| window.contains(&delivery.started));
        began.count() as f64
    };
    line.tell("deliveries that came in the first second", came(&first));
    line.tell("deliveries that came in the rest of it", came(&rest));
    let mut seconds = offered.seconds.iter().take(8).map(ToString::to_string);
    let seconds = seconds.by_ref().collect::<Vec<_>>().join(", ");
    line.say(format!("deliveries in the seconds after: {seconds}"));
    if let Some(held) = scene.looks(&trouble).last().and_then(|look| look.shown["held"].as_str()) {
        line.say(format!("held: {held}"));
    }
    scene.judge(&mut line, &deliveries, &letters);
    Ok(line)
}
