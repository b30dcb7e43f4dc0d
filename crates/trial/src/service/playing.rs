//! A script in force: what it has counted, since when it plays, and which rule is next.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::clock;
use crate::delivery::Arrival;
use crate::script::{Act, Answer, Delay, Greet, Limit, Over, Script, When, Window};

/// Switches that are on, and since when.
#[derive(Debug, Default)]
pub(super) struct Switches(BTreeMap<String, u64>);

impl Switches {
    pub(super) fn on(&mut self, name: &str) {
        self.0.insert(name.to_owned(), clock::now());
    }

    pub(super) fn off(&mut self, name: &str) {
        self.0.remove(name);
    }
}

#[derive(Debug)]
pub(super) struct Playing {
    script: Script,
    since: u64,
    /// For each rule the requests that fulfilled its conditions, and those it was applied to.
    counts: Vec<(AtomicU64, AtomicU64)>,
    greeted: Vec<AtomicU64>,
    random: Mutex<u64>,
    /// When the next request's turn is, at the limit's rate.
    turn: Mutex<u64>,
    permits: Option<Arc<Semaphore>>,
}

/// What a request gets.
pub(super) struct Chosen {
    pub(super) playing: Arc<Playing>,
    rule: Option<usize>,
}

/// Holds a place among the requests at work.
pub(super) enum Admission {
    Admitted { _permit: Option<OwnedSemaphorePermit> },
    Over(Answer),
}

static ACCEPT: Act = Act::Answer(Answer { status: 200, headers: Vec::new(), body: String::new() });

/// Turns that nobody took are kept for so long, so that a limited service with enough to do reaches
/// its rate even where it is not always scheduled in time.
const BURST: u64 = 50_000_000;
const SECOND: u64 = 1_000_000_000;

impl Playing {
    pub(super) fn new(script: Script) -> Self {
        let permits = script.limit.as_ref().and_then(|limit| limit.concurrent);
        Self {
            since: clock::now(),
            counts: script.rules.iter().map(|_| Default::default()).collect(),
            greeted: script.greetings.iter().map(|_| AtomicU64::new(0)).collect(),
            random: Mutex::new(script.seed),
            turn: Mutex::new(0),
            permits: permits.map(|count| Arc::new(Semaphore::new(count))),
            script,
        }
    }

    /// Nanoseconds since the window's beginning; none while its switch is off.
    fn since(&self, window: &Window, switches: &Switches) -> Option<u64> {
        let began = match &window.switch {
            Some(name) => *switches.0.get(name)?,
            None => self.since,
        };
        Some(clock::now().saturating_sub(began))
    }

    fn is_open(&self, window: &Window, switches: &Switches) -> bool {
        window.is_open(self.since(window, switches))
    }

    pub(super) fn refuses(&self, switches: &Switches) -> bool {
        self.script.refuse.as_ref().is_some_and(|window| self.is_open(window, switches))
    }

    /// How long until refusing may begin or end by itself.
    pub(super) fn next_edge(&self, switches: &Switches) -> Option<Duration> {
        let window = self.script.refuse.as_ref()?;
        let since = self.since(window, switches)?;
        Some(Duration::from_nanos(window.next_edge(since)? - since))
    }

    pub(super) fn greet(&self, switches: &Switches) -> Option<Greet> {
        let mut greetings = self.script.greetings.iter().zip(&self.greeted);
        let chosen = greetings.find(|(greeting, count)| {
            self.is_open(&greeting.during, switches) && is_nth(count, greeting.every)
        });
        chosen.map(|(greeting, _)| greeting.act.clone())
    }

    pub(super) fn choose(self: &Arc<Self>, what: &Arrival, switches: &Switches) -> Chosen {
        let rule = self.script.rules.iter().zip(&self.counts).position(|(rule, counts)| {
            let When { during, every, times, .. } = &rule.when;
            rule.when.is_for(what)
                && self.is_open(during, switches)
                && is_nth(&counts.0, *every)
                && times.is_none_or(|times| counts.1.fetch_add(1, Ordering::Relaxed) < times)
        });
        Chosen { playing: Arc::clone(self), rule }
    }

    /// The next number of the seed's sequence (splitmix64).
    fn random(&self) -> u64 {
        let mut state = self.random.lock().unwrap_or_else(PoisonError::into_inner);
        *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (*state ^ (*state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// How long until a request's turn, and whether it takes that turn.
    fn turn(&self, per_second: u32, waits: bool) -> Duration {
        let interval = SECOND / u64::from(per_second).max(1);
        let now = clock::now();
        let mut turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let next = (*turn).max(now.saturating_sub(BURST));
        let wait = next.saturating_sub(now);
        if waits || wait == 0 {
            *turn = next + interval;
        }
        Duration::from_nanos(wait)
    }

    async fn admit(&self, limit: &Limit) -> Admission {
        let (waits, over) = match &limit.over {
            Over::Wait => (true, None),
            Over::Answer(answer) => (false, Some(answer)),
        };
        if let Some(per_second) = limit.per_second {
            let wait = self.turn(per_second, waits);
            match over {
                Some(answer) if !wait.is_zero() => return Admission::Over(answer.clone()),
                _ => tokio::time::sleep(wait).await,
            }
        }
        let Some(permits) = self.permits.clone() else {
            return Admission::Admitted { _permit: None };
        };
        let permit = match over {
            Some(answer) => match permits.try_acquire_owned() {
                Ok(permit) => permit,
                Err(_) => return Admission::Over(answer.clone()),
            },
            None => permits.acquire_owned().await.expect("it is never closed"),
        };
        Admission::Admitted { _permit: Some(permit) }
    }
}

/// Counts one, and says whether it is an n-th.
fn is_nth(count: &AtomicU64, every: Option<u64>) -> bool {
    let number = count.fetch_add(1, Ordering::Relaxed) + 1;
    every.is_none_or(|every| number.is_multiple_of(every))
}

impl Chosen {
    pub(super) fn act(&self) -> &Act {
        self.rule.map_or(&ACCEPT, |rule| &self.playing.script.rules[rule].act)
    }

    /// Whether it refuses former owners and late work.
    pub(super) fn is_fenced(&self) -> bool {
        self.playing.script.fenced
    }

    /// Waits until the service may begin with it, where its limit says so.
    pub(super) async fn admit(&self) -> Admission {
        match &self.playing.script.limit {
            Some(limit) => self.playing.admit(limit).await,
            None => Admission::Admitted { _permit: None },
        }
    }

    /// The time that the work takes.
    pub(super) fn delay(&self) -> Duration {
        let script = &self.playing.script;
        let own = self.rule.and_then(|rule| script.rules[rule].delay);
        let Some(Delay { ms, to_ms }) = own.or(script.delay) else { return Duration::ZERO };
        let width = to_ms.map_or(0, |to| to.saturating_sub(ms).saturating_mul(1_000_000));
        let extra = if width == 0 { 0 } else { self.playing.random() % width };
        Duration::from_millis(ms) + Duration::from_nanos(extra)
    }
}

#[cfg(test)]
mod tests;
