//! How far a dead letter topic is read, on standard error, if that is a terminal.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

const INTERVAL: Duration = Duration::from_millis(100);

pub(super) struct Bar {
    bar: ProgressBar,
    read: u64,
    shown: Instant,
}

impl Bar {
    /// `length`: offsets to read.
    pub(super) fn new(doing: &'static str, length: u64) -> Self {
        let template = "{bar:30} {percent:>3}%  {msg}  {elapsed} gone, {eta} to go";
        let style = ProgressStyle::with_template(template).expect("the template is ours");
        // Hides itself where standard error is no terminal.
        let bar = ProgressBar::with_draw_target(Some(length), ProgressDrawTarget::stderr());
        bar.set_style(style);
        bar.set_message(doing);
        Self { bar, read: 0, shown: Instant::now() }
    }

    /// So many offsets more are read.
    pub(super) fn advance(&mut self, offsets: u64) {
        self.read += offsets;
        if self.is_due() {
            self.bar.set_position(self.read);
        }
    }

    /// What is done, in words.
    pub(super) fn say(&mut self, words: impl FnOnce() -> String) {
        if self.is_due() {
            self.shown = Instant::now();
            self.bar.set_message(words());
            self.bar.set_position(self.read);
        }
    }

    fn is_due(&self) -> bool {
        !self.bar.is_hidden() && self.shown.elapsed() >= INTERVAL
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
