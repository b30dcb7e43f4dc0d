//! The demo on a terminal: drawn in place on standard error, a few times a second. In a pipe it is
//! a line for each step and nothing else.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::{IsTerminal, Write as _};
use std::time::Duration;

use forebay_trial::Verdict;
use rustix::termios::tcgetwinsize;
use tokio::time::Instant;

use super::stage::ServiceState;

const EVERY: Duration = Duration::from_millis(200);
/// Where the terminal does not say how wide it is.
const WIDTH: usize = 80;
const BAR: usize = 40;
/// Characters before the instances of the service, and of each.
const MARGIN: usize = 13;
const CELL: usize = 21;

const BOLD: &str = "\x1b[1m";
const DIM: &str = "\x1b[2m";
const RED: &str = "\x1b[31m";
const GREEN: &str = "\x1b[32m";
const YELLOW: &str = "\x1b[33m";
const PLAIN: &str = "\x1b[0m";

/// All that is shown.
pub(super) struct Scene<'a> {
    pub(super) title: &'a str,
    pub(super) now: &'a str,
    pub(super) seconds: f64,
    pub(super) records: usize,
    /// Acknowledged by Kafka.
    pub(super) sent: usize,
    pub(super) lag: i64,
    pub(super) max_lag: i64,
    /// Accepted a second.
    pub(super) rate: usize,
    pub(super) instances: &'a [Instance],
    pub(super) verdict: &'a Verdict,
    pub(super) generations: &'a BTreeSet<i32>,
}

pub(super) struct Instance {
    pub(super) state: ServiceState,
    pub(super) accepted: usize,
    pub(super) at_work: usize,
}

pub(super) struct Picture {
    terminal: bool,
    /// Lines that are on the terminal now.
    drawn: usize,
    due: Instant,
}

impl Picture {
    pub(super) fn new() -> Self {
        Self { terminal: std::io::stderr().is_terminal(), drawn: 0, due: Instant::now() }
    }

    pub(super) fn is_due(&self) -> bool {
        self.terminal && Instant::now() >= self.due
    }

    /// In a pipe, a line; on a terminal the next picture shows it.
    pub(super) fn step(&mut self, seconds: f64, what: &str) {
        if !self.terminal {
            // Nobody reads it any more: the demo goes on all the same.
            let _ = writeln!(std::io::stderr(), "{seconds:6.1} s  {what}");
        }
    }

    pub(super) fn draw(&mut self, scene: &Scene<'_>) {
        self.due = Instant::now() + EVERY;
        let width = tcgetwinsize(std::io::stderr()).map_or(WIDTH, |size| size.ws_col.into());
        let width = width.max(20) - 1;
        let lines = lines(scene, width);
        let mut text = self.home();
        for line in &lines {
            // Erases what a longer line left behind.
            let _ = write!(text, "{}{PLAIN}\x1b[K\r\n", cut(line, width));
        }
        self.drawn = lines.len();
        let _ = std::io::stderr().write_all(text.as_bytes());
    }

    /// Takes the picture off the terminal.
    pub(super) fn clear(&mut self) {
        let text = match self.drawn {
            0 => return,
            _ => format!("{}\x1b[J", self.home()),
        };
        self.drawn = 0;
        let _ = std::io::stderr().write_all(text.as_bytes());
    }

    /// To where the picture begins.
    fn home(&self) -> String {
        match self.drawn {
            0 => String::new(),
            lines => format!("\x1b[{lines}A\r"),
        }
    }
}

fn lines(scene: &Scene<'_>, width: usize) -> Vec<String> {
    let share = scene.sent as f64 / scene.records.max(1) as f64;
    let full = (share * BAR as f64) as usize;
    let bar = format!("{}{DIM}{}{PLAIN}", "█".repeat(full), "░".repeat(BAR - full));
    let of = thousands(scene.records);
    let mut lines = vec![
        format!("{BOLD}{}{PLAIN}", scene.title),
        String::new(),
        format!("  now        {YELLOW}{}{PLAIN}", scene.now),
        format!("  time       {:.0} s", scene.seconds),
        format!("  replayed   {bar} {} of {of}", thousands(scene.sent)),
        format!("  delivered  {}, {} a second", thousands(scene.verdict.delivered), scene.rate),
        format!(
            "  lag        {}, at most {} so far",
            thousands(scene.lag.max(0) as usize),
            thousands(scene.max_lag.max(0) as usize)
        ),
        String::new(),
    ];
    let serving = scene.instances.iter().filter(|one| one.state == ServiceState::Serving).count();
    let cells: Vec<String> =
        scene.instances.iter().enumerate().map(|(at, one)| cell(at + 1, one)).collect();
    let in_a_row = (width.saturating_sub(MARGIN) / CELL).max(1);
    for (row, cells) in cells.chunks(in_a_row).enumerate() {
        let start = if row == 0 { format!("  services {serving}") } else { String::new() };
        lines.push(format!("{start:MARGIN$}{}", cells.concat()));
    }
    lines.push(String::new());
    lines.extend(promises(scene));
    lines
}

fn cell(number: usize, instance: &Instance) -> String {
    let (colour, word) = match instance.state {
        ServiceState::Serving => (GREEN, format!("{} busy", instance.at_work)),
        ServiceState::Leaving => (YELLOW, "leaving".to_owned()),
        ServiceState::Ended => (DIM, "ended".to_owned()),
        ServiceState::Killed => (RED, "killed".to_owned()),
    };
    let accepted = thousands(instance.accepted);
    format!("{colour}{number:>2} ●{PLAIN} {accepted:>6} {DIM}{word:<8}{PLAIN} ")
}

fn promises(scene: &Scene<'_>) -> Vec<String> {
    let verdict = scene.verdict;
    let generations: Vec<String> = scene.generations.iter().map(ToString::to_string).collect();
    let promise = |kept: bool, words: String| {
        let mark = if kept { format!("{GREEN}✓") } else { format!("{RED}✗") };
        format!("  {mark}{PLAIN} {words}")
    };
    vec![
        promise(
            verdict.foreign.is_empty(),
            format!("nothing lost; on their way: {}", thousands(verdict.lost.len())),
        ),
        promise(verdict.out_of_order.is_empty(), "each key in its order".to_owned()),
        promise(verdict.overlapping.is_empty(), "one delivery of a key at a time".to_owned()),
        promise(
            generations.len() <= 1,
            format!("no rebalance: the group's generation is {}", generations.join(", then ")),
        ),
        promise(
            verdict.unexplained.is_empty(),
            format!("repeated only at a SIGKILL: {}", thousands(verdict.duplicated)),
        ),
    ]
}

/// The first `width` characters that show; what colours them takes no room.
fn cut(line: &str, width: usize) -> String {
    let mut kept = String::with_capacity(line.len());
    let (mut shown, mut colouring) = (0, false);
    for character in line.chars() {
        if character == '\x1b' {
            colouring = true;
        }
        if colouring {
            kept.push(character);
            colouring = character != 'm';
        } else if shown < width {
            kept.push(character);
            shown += 1;
        }
    }
    kept
}

/// `27004` as `27,004`.
pub(super) fn thousands(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_commas_and_lines_are_cut_by_what_shows() {
        let all = [0, 999, 1_000, 27_004, 1_234_567].map(thousands);
        assert_eq!(all, ["0", "999", "1,000", "27,004", "1,234,567"]);
        assert_eq!(cut("a\x1b[1mbc\x1b[0md", 2), "a\x1b[1mb\x1b[0m");
    }
}
