//! Losses at made-up instants.

use super::*;

const AT_ONCE: Duration = Duration::from_millis(1);

/// Tells of losses a second apart, each on a connection opened just before.
struct Story {
    reuse: Reuse,
    now: Instant,
}

impl Story {
    fn new() -> Self {
        Self { reuse: Reuse::default(), now: Instant::now() }
    }

    fn lost(&mut self, exchanges: u64, rest: Duration) {
        let opened = self.now;
        self.pass(Duration::from_secs(1));
        self.reuse.lost(Loss { opened, exchanges, rest }, self.now);
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
    }

    fn limits(&self) -> (Option<u64>, Option<Duration>) {
        (self.reuse.max_exchanges(self.now), self.reuse.max_idle(self.now))
    }
}

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

#[test]
fn three_losses_after_as_many_exchanges_limit_the_exchanges() {
    let mut story = Story::new();
    for known in [None, None, Some(100), Some(100)] {
        story.lost(100, AT_ONCE);
        assert_eq!(story.limits(), (known, None));
    }
}

#[test]
fn three_losses_after_a_rest_limit_the_rest_to_half_the_shortest() {
    let mut story = Story::new();
    for (exchanges, rest, known) in
        [(4, 120, None), (9, 100, None), (1, 110, Some(50)), (2, 40, Some(20)), (2, 20, Some(10))]
    {
        story.lost(exchanges, millis(rest));
        assert_eq!(story.limits(), (None, known.map(millis)));
    }
}

#[test]
fn losses_after_different_numbers_of_exchanges_teach_nothing() {
    let mut story = Story::new();
    for exchanges in [7, 7, 8, 7, 7, 9, 7, 8, 9] {
        story.lost(exchanges, AT_ONCE);
        assert_eq!(story.limits(), (None, None));
    }
}

#[test]
fn losses_with_and_without_a_rest_are_not_alike() {
    let mut story = Story::new();
    for rest in [1, 1, 20, 20, 19, 19, 20, 20, 1] {
        story.lost(5, millis(rest));
        assert_eq!(story.limits(), (None, None));
    }
}

#[test]
fn only_the_last_three_losses_count() {
    let mut story = Story::new();
    for exchanges in [1, 2, 3, 3, 3] {
        story.lost(exchanges, AT_ONCE);
    }
    assert_eq!(story.limits(), (Some(3), None));
}

#[test]
fn connections_that_a_crash_ends_together_count_once() {
    for rest in [AT_ONCE, millis(100)] {
        let mut story = Story::new();
        for _ in 0..2 {
            let opened = story.now;
            story.pass(Duration::from_secs(1));
            for _ in 0..50 {
                story.reuse.lost(Loss { opened, exchanges: 1, rest }, story.now);
                story.pass(millis(1));
            }
            assert_eq!(story.limits(), (None, None));
        }
        story.lost(1, rest);
        assert_ne!(story.limits(), (None, None));
    }
}

#[test]
fn a_lesson_is_forgotten_after_its_time_and_one_more_loss_confirms_it() {
    for (rest, limits) in [(AT_ONCE, (Some(6), None)), (millis(60), (None, Some(millis(30))))] {
        let mut story = Story::new();
        for _ in 0..HABIT {
            story.lost(6, rest);
        }
        story.pass(LESSON - millis(1));
        assert_eq!(story.limits(), limits);
        story.pass(millis(1));
        assert_eq!(story.limits(), (None, None));
        story.lost(6, rest);
        assert_eq!(story.limits(), limits);
    }
}

#[test]
fn losses_too_long_ago_are_no_evidence() {
    let mut story = Story::new();
    for _ in 0..6 {
        story.lost(6, AT_ONCE);
        assert_eq!(story.limits(), (None, None));
        story.pass(EVIDENCE / 2);
    }
}

#[test]
fn connections_are_doubted_for_a_time_after_any_loss() {
    let mut story = Story::new();
    assert!(!story.reuse.is_doubtful(story.now));
    let opened = story.now;
    story.lost(3, AT_ONCE);
    story.pass(LESSON - millis(1));
    assert!(story.reuse.is_doubtful(story.now));
    // Another that the first one's crash explains.
    story.reuse.lost(Loss { opened, exchanges: 3, rest: AT_ONCE }, story.now);
    story.pass(millis(1));
    assert!(story.reuse.is_doubtful(story.now));
    story.pass(LESSON);
    assert!(!story.reuse.is_doubtful(story.now));
}
