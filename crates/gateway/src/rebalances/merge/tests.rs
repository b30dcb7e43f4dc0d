use super::*;
use crate::rebalances::Moved;

fn seen(at_ms: i64, cause: Cause, generation: Option<i32>, gained: i32) -> RebalanceSnapshot {
    let partition = TopicPartition::new("t", gained);
    let gained = vec![Moved { partition, since: Instant::ZERO, still: None }];
    RebalanceSnapshot { at_ms, cause, generation, lost: Vec::new(), gained }
}

fn rows(all: &[RebalanceSnapshot]) -> Vec<(i64, Cause, Option<i32>, usize)> {
    all.iter().map(|it| (it.at_ms, it.cause, it.generation, it.gained.len())).collect()
}

#[test]
fn a_generation_is_one_rebalance_whoever_saw_it() {
    let start = Cause::Start;
    let one = vec![seen(30, Cause::Members, Some(3), 0), seen(10, start, Some(1), 1)];
    let other = vec![seen(20, start, Some(3), 2), seen(5, Cause::Members, None, 3)];
    assert_eq!(
        rows(&merged(vec![one, other])),
        [(20, start, Some(3), 2), (10, start, Some(1), 1), (5, Cause::Members, None, 1)]
    );
    let one = vec![seen(30, Cause::SessionLost, Some(3), 0), seen(20, start, Some(3), 1)];
    assert_eq!(merged(vec![one]).len(), 2, "what one saw apart stays apart");
}

#[test]
fn what_is_shown_is_newest_first_each_with_a_generation() {
    let one = vec![seen(60, Cause::Stop, None, 0), seen(40, Cause::Members, Some(2), 1)];
    // It hears late of the second generation.
    let other = vec![seen(50, Cause::Members, Some(3), 2), seen(30, Cause::Start, Some(1), 3)];
    let late = vec![seen(55, Cause::Members, Some(2), 4), seen(29, Cause::Fenced, None, 5)];
    let all = whole(vec![one, other, late], &Transit::new());
    let order: Vec<_> = all.iter().map(|it| (it.generation, it.cause)).collect();
    assert_eq!(
        order,
        [
            (Some(3), Cause::Stop),
            (Some(3), Cause::Members),
            (Some(2), Cause::Members),
            (Some(1), Cause::Start),
            (None, Cause::Fenced)
        ],
        "there was no generation before the first"
    );
}

#[test]
fn the_cause_is_the_same_whoever_is_asked_first() {
    let all = [Cause::Members, Cause::SubscriptionAdded, Cause::SessionLost];
    let seen = |cause| vec![seen(20, cause, Some(7), 0)];
    for turn in 0..3 {
        let asked = (0..3).map(|index| seen(all[(turn + index) % 3])).collect();
        assert_eq!(rows(&merged(asked)), [(20, Cause::SubscriptionAdded, Some(7), 3)]);
    }
}

#[test]
fn another_rebalance_without_a_new_generation_keeps_its_own_cause() {
    let one = vec![seen(40_000, Cause::Partitions, Some(7), 0), seen(1, Cause::Start, Some(7), 1)];
    let other = vec![seen(0, Cause::Start, Some(7), 2)];
    let merged = merged(vec![one, other]);
    assert_eq!(
        rows(&merged),
        [(40_000, Cause::Partitions, Some(7), 1), (0, Cause::Start, Some(7), 2)]
    );
}
