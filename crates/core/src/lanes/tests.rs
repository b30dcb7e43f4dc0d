use alloc::vec::Vec;

use proptest::prelude::*;

use super::*;

#[test]
fn a_key_waits_for_its_predecessor_and_others_do_not() {
    let mut lanes = Lanes::new();
    for (key, item) in [(1, "a1"), (1, "a2"), (2, "b1")] {
        lanes.push(Some(key), item);
    }
    let a1 = start(&mut lanes).unwrap();
    let b1 = start(&mut lanes).unwrap();
    assert_eq!((*lanes.get(a1), *lanes.get(b1)), ("a1", "b1"));
    assert_eq!(start(&mut lanes), None, "a2 waits for a1");
    assert_eq!(lanes.finish(a1), "a1");
    let a2 = start(&mut lanes).unwrap();
    assert_eq!(*lanes.get(a2), "a2");
    lanes.check();
}

#[test]
fn records_without_a_key_run_side_by_side() {
    let mut lanes = Lanes::new();
    lanes.push(None, 1);
    lanes.push(None, 2);
    assert!(start(&mut lanes).is_some() && start(&mut lanes).is_some());
    lanes.check();
}

#[test]
fn a_lane_that_failed_goes_on_with_the_same_record() {
    let mut lanes = Lanes::new();
    lanes.push(Some(1), "a1");
    lanes.push(Some(1), "a2");
    let a1 = start(&mut lanes).unwrap();
    lanes.shut(a1);
    assert!(!lanes.has_fresh() && !lanes.has_again());
    lanes.reopen(a1);
    assert_eq!(start(&mut lanes), Some(a1));
    lanes.check();
}

#[test]
fn an_empty_lane_leaves_nothing_behind() {
    let mut lanes = Lanes::new();
    lanes.push(Some(1), ());
    let slot = start(&mut lanes).unwrap();
    lanes.finish(slot);
    assert_eq!((lanes.lanes.len(), lanes.by_key.len(), lanes.slots.len()), (0, 0, 0));
}

#[test]
fn what_came_back_is_told_from_what_was_never_sent() {
    let mut lanes = Lanes::new();
    let (a1, b1) = (lanes.push(Some(1), "a1"), lanes.push(Some(2), "b1"));
    assert_eq!(lanes.start_fresh(), Some(a1));
    lanes.shut(a1);
    lanes.reopen(a1);
    assert!(lanes.has_fresh() && lanes.has_again());
    assert_eq!((lanes.start_again(), lanes.start_again()), (Some(a1), None));
    assert_eq!((lanes.start_fresh(), lanes.start_fresh()), (Some(b1), None));
    lanes.check();
}

/// Either queue will do.
fn start<T>(lanes: &mut Lanes<T>) -> Option<Slot> {
    lanes.start_again().or_else(|| lanes.start_fresh())
}

#[derive(Clone, Debug)]
enum Step {
    Push(Option<u64>),
    Start,
    Finish(prop::sample::Index),
    Fail(prop::sample::Index),
    Reopen(prop::sample::Index),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        3 => prop::option::of(0..4_u64).prop_map(Step::Push),
        3 => Just(Step::Start),
        2 => any::<prop::sample::Index>().prop_map(Step::Finish),
        1 => any::<prop::sample::Index>().prop_map(Step::Fail),
        1 => any::<prop::sample::Index>().prop_map(Step::Reopen),
    ];
    prop::collection::vec(step, 0..200)
}

proptest! {
    /// Whatever happens, the records of a key finish in the order in which they were pushed.
    #[test]
    fn the_order_of_a_key_survives(steps in steps()) {
        let mut lanes = Lanes::new();
        let (mut out, mut shut): (Vec<Slot>, Vec<Slot>) = (Vec::new(), Vec::new());
        let mut last = [0_usize; 4];
        for (number, step) in steps.into_iter().enumerate() {
            match step {
                Step::Push(key) => { lanes.push(key, (key, number)); }
                Step::Start => out.extend(start(&mut lanes)),
                Step::Finish(at) if !out.is_empty() => {
                    let (key, number) = lanes.finish(out.swap_remove(at.index(out.len())));
                    if let Some(key) = key {
                        prop_assert!(last[key as usize] <= number);
                        last[key as usize] = number;
                    }
                }
                Step::Fail(at) if !out.is_empty() => {
                    let slot = out.swap_remove(at.index(out.len()));
                    lanes.shut(slot);
                    shut.push(slot);
                }
                Step::Reopen(at) if !shut.is_empty() => {
                    lanes.reopen(shut.swap_remove(at.index(shut.len())));
                }
                Step::Finish(_) | Step::Fail(_) | Step::Reopen(_) => {}
            }
            lanes.check();
        }
    }
}
