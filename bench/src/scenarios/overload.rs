//! Twice of what the service takes is offered for minutes: memory and the time of a delivery stay
//! as they are while the backlog grows, and it drains afterwards.

use forebay_trial::{Limit, Script};

use super::Setting;
use super::figures::{Line, Wanted, Window, p99_ms, throughput};
use super::scene::Scene;
use crate::forebay::PATIENCE;

pub(crate) fn run(setting: &Setting) -> anyhow::Result<Line> {
    let times = setting.times;
    let script = Script::accepting().limit(Limit::per_second(setting.rate));
    let mut scene = Scene::open(setting, "overload", vec![script], 0)?;
    let offer = scene.source.offer(2 * setting.rate);
    scene.warm_up()?;
    let idle = scene.look()?.resident as f64 / f64::from(1 << 20);
    let whole = scene.watch(times.overload)?;
    offer.end()?;
    let lag = scene.look()?.shown["lag"].as_f64();
    // What is left is taken at the service's rate.
    let left = times.overload + times.warm_up;
    let drained = scene.drain(left + left / 2 + PATIENCE, scene.source.count())?;
    scene.finish()?;

    let deliveries = scene.deliveries();
    let letters = scene.letters()?;
    let mut line = Line::new("overload");
    line.tell("offered a second", f64::from(2 * setting.rate));
    line.tell("accepted a second", throughput(&deliveries, &whole, |_| true));
    // Minutes, of five.
    let part = (whole.end - whole.start) / 5;
    let minute =
        |number: u64| -> Window { whole.start + (number - 1) * part..whole.start + number * part };
    let (second, last) = (p99_ms(&deliveries, minute(2)), p99_ms(&deliveries, minute(5)));
    line.tell("p99 of a delivery in the second fifth, ms", second);
    line.tell("p99 of a delivery in the last fifth, ms", last);
    let growth = last.zip(second).map(|(last, second)| last / second);
    line.want("last / second", growth, Wanted::AtMost(1.5));
    line.tell("gateway's memory before, MiB", idle);
    line.tell("gateway's memory in the second fifth at most, MiB", scene.resident_most(&minute(2)));
    line.tell("gateway's memory at most, MiB", scene.resident_most(&whole));
    line.tell("lag at the end", lag);
    line.want("seconds until it is drained", drained, Wanted::AtMost(f64::INFINITY));
    line.want("dead letters", letters.len() as f64, Wanted::AtMost(0.0));
    scene.judge(&mut line, &deliveries, &letters);
    Ok(line)
}
