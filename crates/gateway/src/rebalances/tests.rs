use super::*;

fn partitions(numbers: &[i32]) -> Vec<TopicPartition> {
    numbers.iter().map(|number| TopicPartition::new("t", *number)).collect()
}

fn at(ms: u64) -> Instant {
    Instant::ZERO + Duration::from_millis(ms)
}

fn step(cause: RebalanceCause, lost: &[i32], gained: &[i32], goes_on: bool) -> Rebalance {
    let (lost, gained) = (partitions(lost), partitions(gained));
    Rebalance { cause, generation: Some(7), lost, gained, goes_on }
}

fn stills(moved: &[Moved]) -> Vec<Option<u64>> {
    moved.iter().map(|moved| moved.still.map(|still| still.as_millis() as u64)).collect()
}

#[test]
fn what_comes_stands_still_until_it_is_fetched() {
    let mut rebalances = Rebalances::new(false, Transit::new());
    let said = rebalances.step(step(RebalanceCause::Join, &[], &[0, 1], false), at(0), 5).unwrap();
    assert_eq!(said, "rebalance, caused by start, generation 7; gained 2: t-0, t-1");
    assert_eq!(rebalances.counts().still_now, 2);
    rebalances.ready(&partitions(&[1])[0], at(40));
    rebalances.ready(&partitions(&[1])[0], at(90));
    let kept = rebalances.kept();
    assert_eq!((kept[0].cause, kept[0].at_ms, kept[0].generation), (Cause::Start, 5, Some(7)));
    assert_eq!(stills(&kept[0].gained), [None, Some(40)]);
    let counts = rebalances.counts();
    assert_eq!((counts.still_now, counts.still), (1, Duration::from_millis(40)));
    assert!(rebalances.awaits());
}

#[test]
fn what_goes_stands_still_until_it_is_given_back() {
    let mut rebalances = Rebalances::new(true, Transit::new());
    rebalances.step(step(RebalanceCause::Join, &[], &[0], false), at(0), 0);
    rebalances.ready(&partitions(&[0])[0], at(10));
    rebalances.step(step(RebalanceCause::Members, &[0], &[], true), at(100), 0);
    rebalances.released(&partitions(&[0])[0], at(350));
    rebalances.step(step(RebalanceCause::Members, &[], &[3], false), at(400), 0);
    rebalances.ready(&partitions(&[3])[0], at(420));
    let kept = rebalances.kept();
    assert_eq!(kept.len(), 2, "what goes and comes together is one rebalance: {kept:?}");
    assert_eq!((stills(&kept[0].lost), stills(&kept[0].gained)), (vec![Some(250)], vec![Some(20)]));
    assert_eq!(kept[1].cause, Cause::SubscriptionAdded);
    let counts = rebalances.counts();
    assert_eq!((counts.of(Cause::Members), counts.all(), counts.still_now), (1, 2, 0));
}

#[test]
fn what_is_lost_and_comes_back_stood_still_from_its_loss_on() {
    let mut rebalances = Rebalances::new(false, Transit::new());
    rebalances.step(step(RebalanceCause::SessionLost, &[0], &[], true), at(100), 0);
    rebalances.released(&partitions(&[0])[0], at(100));
    rebalances.step(step(RebalanceCause::SessionLost, &[], &[0], false), at(5_100), 0);
    rebalances.ready(&partitions(&[0])[0], at(5_200));
    let kept = rebalances.kept();
    assert_eq!(kept.len(), 1);
    assert_eq!(stills(&kept[0].gained), [Some(5_100)]);
}

#[test]
fn what_went_for_good_does_not_stand_still_for_ever() {
    let mut rebalances = Rebalances::new(false, Transit::new());
    rebalances.step(step(RebalanceCause::Fenced, &[0, 1], &[], false), at(0), 0);
    rebalances.released(&partitions(&[0])[0], at(0));
    rebalances.released(&partitions(&[1])[0], at(0));
    assert_eq!(rebalances.counts().still_now, 0);
    // A day later, after somebody else had it.
    rebalances.step(step(RebalanceCause::Join, &[], &[0], false), at(86_400_000), 0);
    rebalances.ready(&partitions(&[0])[0], at(86_400_010));
    assert_eq!(stills(&rebalances.kept()[0].gained), [Some(10)]);
}

#[test]
fn what_is_kept_is_bounded_and_what_is_counted_is_not() {
    let mut rebalances = Rebalances::new(false, Transit::new());
    let many: Vec<i32> = (0..900).collect();
    for _ in 0..20 {
        rebalances.step(step(RebalanceCause::Members, &[], &many, false), at(0), 0);
    }
    assert_eq!(rebalances.kept().len(), 4);
    for _ in 0..300 {
        rebalances.step(step(RebalanceCause::Members, &[], &[], false), at(0), 0);
    }
    assert_eq!(rebalances.kept().len(), KEPT);
    assert_eq!(rebalances.counts().of(Cause::Members), 320);
}

/// Two consumers of one process, and what people see of both.
struct Pair {
    transit: Transit,
    one: Rebalances,
    other: Rebalances,
}

impl Pair {
    fn new() -> Self {
        let transit = Transit::new();
        let one = Rebalances::new(false, transit.clone());
        let other = Rebalances::new(true, transit.clone());
        Self { transit, one, other }
    }

    fn seen(&self) -> Vec<RebalanceSnapshot> {
        whole(vec![self.one.kept(), self.other.kept()], &self.transit)
    }

    fn counts(&self) -> RebalanceCounts {
        let mut counts = self.one.counts();
        counts.add(&self.other.counts());
        counts
    }
}

#[test]
fn what_goes_to_a_sibling_stands_still_until_that_one_fetches_it() {
    let mut pair = Pair::new();
    let zero = &partitions(&[0])[0];
    pair.one.step(step(RebalanceCause::Members, &[0], &[], true), at(1_000), 0);
    pair.one.released(zero, at(1_001));
    assert_eq!(stills(&pair.seen()[0].lost), [None], "nobody fetches it yet");
    assert_eq!(pair.transit.count(), 1);
    pair.other.step(step(RebalanceCause::Join, &[], &[0], false), at(4_000), 3_000);
    assert_eq!((pair.transit.count(), pair.counts().still_now), (0, 1));
    assert_eq!(stills(&pair.seen()[0].lost), [None]);
    pair.other.ready(zero, at(4_010));
    let seen = pair.seen();
    assert_eq!(seen.len(), 1, "{seen:?}");
    assert_eq!(
        (stills(&seen[0].lost), stills(&seen[0].gained)),
        (vec![Some(3_010)], vec![Some(3_010)])
    );
    assert_eq!(pair.counts().still, Duration::from_millis(3_010), "counted once");
}

#[test]
fn what_another_process_has_meanwhile_does_not_stand_still_here() {
    let fellow = |id: &str| forebay_kafka::Fellow {
        member: forebay_kafka::Member {
            member_id: "m".to_owned(),
            client_id: "forebay".to_owned(),
            host: String::new(),
            instance_id: Some(id.to_owned()),
            assignment: partitions(&[0]),
        },
        is_kin: true,
    };
    for (id, known) in [("here-s", 1), ("here-s.2", 1), ("there-s", 0), ("there-s.2", 0)] {
        let mut pair = Pair::new();
        pair.one.step(step(RebalanceCause::Members, &[0], &[], true), at(0), 0);
        pair.one.released(&partitions(&[0])[0], at(5));
        pair.transit.look(&[fellow(id)], "here-s", "s");
        assert_eq!(pair.transit.count(), known, "{id}");
    }
}

#[test]
fn what_comes_and_goes_before_it_was_fetched_stood_still_all_the_time() {
    let mut pair = Pair::new();
    let zero = &partitions(&[0])[0];
    pair.one.step(step(RebalanceCause::Join, &[], &[0], false), at(100), 0);
    pair.one.step(step(RebalanceCause::Members, &[0], &[], true), at(300), 0);
    pair.one.released(zero, at(300));
    pair.other.step(step(RebalanceCause::Members, &[], &[0], false), at(400), 0);
    pair.other.ready(zero, at(600));
    assert_eq!(pair.counts().still, Duration::from_millis(500));
    assert_eq!(stills(&pair.other.kept()[0].gained), [Some(500)]);
    assert_eq!(stills(&pair.one.kept()[1].gained), [Some(200)], "until it went again");
}

#[test]
fn what_comes_to_one_that_leaves_stands_still_until_another_fetches_it() {
    let mut pair = Pair::new();
    let zero = &partitions(&[0])[0];
    pair.one.step(step(RebalanceCause::Members, &[0], &[], true), at(100), 100);
    pair.one.released(zero, at(110));
    pair.other.stop(Vec::new(), at(120), 120);
    pair.other.step(step(RebalanceCause::Members, &[], &[0], false), at(200), 200);
    pair.other.leave(at(300));
    assert_eq!(stills(&pair.other.kept()[0].gained), [Some(200)], "until it left");
    assert_eq!((pair.counts().still_now, pair.transit.count()), (0, 1));
    pair.one.step(step(RebalanceCause::Members, &[], &[0], false), at(400), 400);
    pair.one.ready(zero, at(600));
    assert_eq!(pair.counts().still, Duration::from_millis(500), "counted once");
    let lost = pair.seen().into_iter().flat_map(|one| one.lost).collect::<Vec<_>>();
    assert_eq!(stills(&lost), [Some(500)], "as long as it really was");
}
