//! Progress on standard error, if that is a terminal; silence if it is not.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::tally::Tally;
use crate::input::Progress;

const INTERVAL: Duration = Duration::from_millis(100);

pub(super) struct Bar {
    bar: ProgressBar,
    input: Progress,
    shown: Instant,
    began: Instant,
}

impl Bar {
    pub(super) fn new(input: &Progress) -> Self {
        let template = match input.length {
            Some(_) => "{bar:30} {percent:>3}%  {msg}  {elapsed} gone, {eta} to go",
            None => "{spinner} {msg}  {elapsed} gone",
        };
        let style = ProgressStyle::with_template(template).expect("the template is ours");
        // Hides itself where standard error is no terminal.
        let bar = ProgressBar::with_draw_target(input.length, ProgressDrawTarget::stderr());
        bar.set_style(style);
        let now = Instant::now();
        Self { bar, input: input.clone(), shown: now, began: now }
    }

    pub(super) fn show(&mut self, tally: &Tally) {
        if self.bar.is_hidden() || self.shown.elapsed() < INTERVAL {
            return;
        }
        self.shown = Instant::now();
        let records = tally.acknowledged();
        #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
        let rate = records as f64 / self.began.elapsed().as_secs_f64();
        self.bar.set_message(format!("{records} records, {rate:.0}/s"));
        self.bar.set_position(self.input.read());
        self.bar.tick();
    }

    pub(super) fn clear(&self) {
        self.bar.finish_and_clear();
    }
}
