//! Scenarios of the group machine, told as a client would live them; time is a number.

use std::time::Duration;

use bytes::Bytes;
use kafka_protocol::error::ResponseError;
use proptest::prelude::*;

use super::*;

/// Drives one group and keeps what it answered, by ticket.
struct Scene {
    group: Group,
    now: Moment,
    tickets: Ticket,
    joined: Vec<(Ticket, Result<Joined, JoinRefused>)>,
    synced: Vec<(Ticket, Result<Synced, ResponseError>)>,
    stored: Option<Snapshot>,
}

const SESSION: Duration = Duration::from_secs(10);
const REBALANCE: Duration = Duration::from_secs(60);

fn subscription(topics: &[&str]) -> Bytes {
    let mut bytes = vec![0, 0];
    bytes.extend(u32::try_from(topics.len()).unwrap().to_be_bytes());
    for topic in topics {
        bytes.extend(u16::try_from(topic.len()).unwrap().to_be_bytes());
        bytes.extend(topic.as_bytes());
    }
    bytes.into()
}

fn member(id: &str) -> Join {
    Join {
        member_id: id.to_owned(),
        session_timeout: SESSION,
        rebalance_timeout: REBALANCE,
        protocol_type: "consumer".to_owned(),
        protocols: vec![("range".to_owned(), subscription(&["t"]))],
        ..Join::default()
    }
}

/// A newcomer that will be called `id`.
fn newcomer(id: &str) -> Join {
    Join { fresh_id: id.to_owned(), ..member("") }
}

fn fixed(instance: &str, id: &str) -> Join {
    Join { instance: Some(instance.to_owned()), ..newcomer(id) }
}

impl Scene {
    fn with_delay(initial_rebalance_delay: Duration) -> Self {
        let settings = Settings {
            initial_rebalance_delay,
            min_session_timeout: Duration::from_secs(1),
            max_session_timeout: Duration::from_secs(100),
        };
        Self {
            group: Group::new(settings),
            now: Moment(0),
            tickets: 0,
            joined: Vec::new(),
            synced: Vec::new(),
            stored: None,
        }
    }

    fn new() -> Self {
        Self::with_delay(Duration::ZERO)
    }

    fn collect(&mut self) {
        for output in self.group.take_outputs() {
            match output {
                Output::Joined(ticket, answer) => self.joined.push((ticket, answer)),
                Output::Synced(ticket, answer) => self.synced.push((ticket, answer)),
                Output::Store => self.stored = Some(self.group.snapshot()),
            }
        }
    }

    fn join(&mut self, join: Join) -> Ticket {
        self.tickets += 1;
        self.group.join(join, self.tickets, self.now);
        self.collect();
        self.tickets
    }

    fn sync(&mut self, id: &str, shares: &[(&str, &'static str)]) -> Ticket {
        self.tickets += 1;
        let share = |(id, share): &(&str, &'static str)| ((*id).to_owned(), Bytes::from(*share));
        let sync = Sync {
            member_id: id.to_owned(),
            generation: self.group.generation(),
            assignments: shares.iter().map(share).collect(),
            ..Sync::default()
        };
        self.group.sync(sync, self.tickets, self.now);
        self.collect();
        self.tickets
    }

    fn wait(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(wakeup) = self.group.next_wakeup().filter(|wakeup| *wakeup <= end) {
            self.now = self.now.max(wakeup);
            self.group.tick(self.now);
            self.collect();
        }
        self.now = end;
    }

    fn beat(&mut self, id: &str) -> Result<(), ResponseError> {
        self.group.heartbeat(id, None, self.group.generation(), self.now)
    }

    /// The answer to a join, None while it is parked.
    fn answer(&self, ticket: Ticket) -> Option<Result<Joined, JoinRefused>> {
        self.joined.iter().find(|(t, _)| *t == ticket).map(|(_, answer)| answer.clone())
    }

    fn accepted(&self, ticket: Ticket) -> Joined {
        self.answer(ticket).expect("the join is answered").expect("the join is accepted")
    }

    fn refused(&self, ticket: Ticket) -> JoinRefused {
        self.answer(ticket).expect("the join is answered").expect_err("the join is refused")
    }

    fn share(&self, ticket: Ticket) -> Option<Result<Bytes, ResponseError>> {
        let found = self.synced.iter().find(|(t, _)| *t == ticket);
        found.map(|(_, answer)| answer.clone().map(|synced| synced.assignment))
    }

    /// Members a and b, stable in generation 2, a leading.
    fn pair() -> Self {
        let mut scene = Self::new();
        scene.join(newcomer("a"));
        scene.sync("a", &[("a", "all")]);
        scene.join(newcomer("b"));
        scene.join(member("a"));
        scene.sync("b", &[]);
        scene.sync("a", &[("a", "left"), ("b", "right")]);
        assert_eq!((scene.group.state(), scene.group.generation()), (State::Stable, 2));
        scene
    }
}

#[test]
fn a_newcomer_that_must_have_an_id_is_given_one_and_let_in_with_it() {
    let mut scene = Scene::new();
    let first = scene.join(Join { id_required: true, ..newcomer("a") });
    let refused = scene.refused(first);
    assert_eq!((refused.error, &*refused.member_id), (ResponseError::MemberIdRequired, "a"));
    let second = scene.join(Join { id_required: true, ..member("a") });
    assert_eq!(scene.accepted(second).generation, 1);
}

#[test]
fn an_id_that_was_not_used_in_time_is_forgotten() {
    let mut scene = Scene::new();
    scene.join(Join { id_required: true, ..newcomer("a") });
    scene.wait(SESSION);
    assert!(scene.group.is_unused());
    let late = scene.join(member("a"));
    assert_eq!(scene.refused(late).error, ResponseError::UnknownMemberId);
}

#[test]
fn the_first_members_of_a_group_wait_for_each_other() {
    let mut scene = Scene::with_delay(Duration::from_millis(100));
    let a = scene.join(newcomer("a"));
    scene.wait(Duration::from_millis(60));
    let b = scene.join(newcomer("b"));
    scene.wait(Duration::from_millis(60));
    assert_eq!(scene.answer(a), None, "a newcomer arms the delay anew");
    scene.wait(Duration::from_millis(200));
    assert_eq!((scene.accepted(a).generation, scene.accepted(b).generation), (1, 1));
    assert_eq!(scene.accepted(a).members.len(), 2);
}

#[test]
fn members_get_what_the_leader_gave_them_and_strangers_nothing() {
    let mut scene = Scene::pair();
    let b = scene.sync("b", &[("b", "stolen")]);
    assert_eq!(scene.share(b), Some(Ok("right".into())), "followers' shares are not looked at");
    let stored = scene.stored.clone().unwrap();
    assert_eq!((stored.generation, stored.leader.as_deref()), (2, Some("a")));
    assert_eq!(stored.members.len(), 2);
}

#[test]
fn a_newcomer_makes_the_others_join_again() {
    let mut scene = Scene::pair();
    let c = scene.join(newcomer("c"));
    assert_eq!(scene.beat("a"), Err(ResponseError::RebalanceInProgress));
    scene.join(member("a"));
    assert_eq!(scene.answer(c), None);
    scene.join(member("b"));
    assert_eq!(scene.accepted(c).generation, 3);
    assert_eq!(scene.accepted(c).leader, "a", "who led keeps leading");
}

#[test]
fn a_member_that_does_not_join_again_in_time_is_left_behind() {
    let mut scene = Scene::pair();
    let c = scene.join(newcomer("c"));
    scene.join(member("a"));
    for _ in 0..7 {
        scene.wait(Duration::from_secs(9));
        let _ = scene.beat("b");
    }
    assert_eq!(scene.accepted(c).generation, 3);
    assert_eq!(scene.beat("b"), Err(ResponseError::UnknownMemberId));
}

#[test]
fn a_silent_member_is_dropped_and_a_parked_one_is_not() {
    let mut scene = Scene::pair();
    scene.wait(Duration::from_secs(6));
    assert_eq!(scene.beat("a"), Ok(()));
    scene.wait(Duration::from_secs(6));
    let a = scene.join(member("a"));
    assert_eq!(scene.accepted(a).members.len(), 1, "b was silent for a session");
    // Alone and parked in sync for longer than a session.
    let c = scene.join(newcomer("c"));
    scene.join(member("a"));
    let sync = scene.sync("c", &[]);
    for _ in 0..3 {
        scene.wait(Duration::from_secs(8));
        assert_eq!(scene.beat("a"), Ok(()));
    }
    scene.sync("a", &[("c", "late")]);
    assert_eq!(scene.share(sync), Some(Ok("late".into())));
    assert_eq!(scene.accepted(c).generation, 4);
}

#[test]
fn a_leader_that_never_assigns_is_dropped_and_the_rest_goes_on() {
    let mut scene = Scene::pair();
    scene.join(newcomer("c"));
    scene.join(member("a"));
    scene.join(member("b"));
    let b = scene.sync("b", &[]);
    for _ in 0..8 {
        scene.wait(Duration::from_secs(8));
        let _ = scene.beat("a");
        let _ = scene.beat("c");
    }
    assert_eq!(scene.share(b), Some(Err(ResponseError::RebalanceInProgress)));
    assert_eq!(scene.beat("a"), Err(ResponseError::UnknownMemberId));
}

#[test]
fn an_unchanged_follower_that_joins_again_disturbs_nobody_and_a_changed_one_does() {
    let mut scene = Scene::pair();
    let again = scene.join(member("b"));
    assert_eq!((scene.accepted(again).generation, scene.group.state()), (2, State::Stable));
    let other = vec![("range".to_owned(), subscription(&["t", "u"]))];
    let changed = scene.join(Join { protocols: other, ..member("b") });
    assert_eq!(scene.answer(changed), None);
    assert_eq!(scene.group.state(), State::PreparingRebalance);
}

#[test]
fn the_protocol_is_one_that_all_have_and_most_like_best() {
    let offers = |names: &[&str]| {
        names.iter().map(|name| ((*name).to_owned(), Bytes::new())).collect::<Vec<_>>()
    };
    let mut scene = Scene::with_delay(Duration::from_millis(10));
    let protocols = offers(&["x", "range", "sticky"]);
    let a = scene.join(Join { protocols, ..newcomer("a") });
    for id in ["b", "c"] {
        scene.join(Join { protocols: offers(&["sticky", "range"]), ..newcomer(id) });
    }
    let stranger = scene.join(Join { protocols: offers(&["x"]), ..newcomer("d") });
    assert_eq!(scene.refused(stranger).error, ResponseError::InconsistentGroupProtocol);
    scene.wait(Duration::from_secs(1));
    assert_eq!(scene.accepted(a).protocol, "sticky");
}

#[test]
fn other_types_and_impossible_sessions_are_refused() {
    let mut scene = Scene::pair();
    let other = scene.join(Join { protocol_type: "connect".to_owned(), ..newcomer("c") });
    assert_eq!(scene.refused(other).error, ResponseError::InconsistentGroupProtocol);
    for session_timeout in [Duration::ZERO, Duration::from_secs(101)] {
        let join = scene.join(Join { session_timeout, ..newcomer("c") });
        assert_eq!(scene.refused(join).error, ResponseError::InvalidSessionTimeout);
    }
}

/// Static members i (leading) and j, stable.
fn fixed_pair() -> Scene {
    let mut scene = Scene::with_delay(Duration::from_millis(1));
    scene.join(fixed("i", "i1"));
    scene.join(fixed("j", "j1"));
    scene.wait(Duration::from_millis(10));
    scene.sync("i1", &[("i1", "left"), ("j1", "right")]);
    scene.sync("j1", &[]);
    assert_eq!((scene.group.state(), scene.group.generation()), (State::Stable, 1));
    scene
}

#[test]
fn a_static_follower_returns_to_its_share_without_a_rebalance() {
    let mut scene = fixed_pair();
    let back = scene.join(fixed("j", "j2"));
    let joined = scene.accepted(back);
    assert_eq!((joined.generation, &*joined.member_id, &*joined.leader), (1, "j2", "i1"));
    let share = scene.sync("j2", &[]);
    assert_eq!(scene.share(share), Some(Ok("right".into())));
    let fenced = scene.group.heartbeat("j1", Some("j"), 1, scene.now);
    assert_eq!(fenced, Err(ResponseError::FencedInstanceId));
    let ids: Vec<_> = scene.stored.unwrap().members.into_iter().map(|m| m.id).collect();
    assert_eq!(ids, ["i1", "j2"], "the new id is stored");
}

#[test]
fn a_static_leader_that_returns_skips_the_assignment_or_takes_itself_for_a_follower() {
    let mut scene = fixed_pair();
    let old = scene.join(fixed("i", "i2"));
    let joined = scene.accepted(old);
    assert_eq!((joined.leader.as_str(), joined.skip_assignment), ("i1", false));
    assert!(joined.members.is_empty());
    let new = scene.join(Join { can_skip_assignment: true, ..fixed("i", "i3") });
    let joined = scene.accepted(new);
    assert_eq!((joined.leader.as_str(), joined.skip_assignment), ("i3", true));
    assert_eq!((joined.members.len(), joined.generation), (2, 1));
}

#[test]
fn what_a_static_member_last_owned_does_not_matter_and_its_topics_do() {
    let mut scene = fixed_pair();
    let mut owned = subscription(&["t"]).to_vec();
    owned.extend([9; 20]);
    let protocols = vec![("range".to_owned(), Bytes::from(owned))];
    let same = scene.join(Join { protocols, ..fixed("j", "j2") });
    assert_eq!(scene.accepted(same).generation, 1);
    let protocols = vec![("range".to_owned(), subscription(&["u"]))];
    let other = scene.join(Join { protocols, ..fixed("j", "j3") });
    assert_eq!(scene.answer(other), None);
    assert_eq!(scene.group.state(), State::PreparingRebalance);
}

#[test]
fn a_static_member_that_is_away_keeps_its_place_for_a_session() {
    let mut scene = fixed_pair();
    scene.wait(Duration::from_secs(9));
    assert_eq!(scene.group.heartbeat("i1", Some("i"), 1, scene.now), Ok(()));
    let back = scene.join(fixed("j", "j2"));
    assert_eq!(scene.accepted(back).generation, 1);
    scene.wait(Duration::from_secs(9));
    assert_eq!(scene.group.heartbeat("i1", Some("i"), 1, scene.now), Ok(()));
    scene.wait(Duration::from_secs(2));
    assert_eq!(scene.group.state(), State::PreparingRebalance, "j2 was silent too long");
}

#[test]
fn leaving_names_members_by_id_or_instance_and_the_last_one_empties_the_group() {
    let mut scene = fixed_pair();
    let leave = |id: &str, instance: Option<&str>| Leave {
        member_id: id.to_owned(),
        instance: instance.map(str::to_owned),
    };
    let now = scene.now;
    let fenced = scene.group.leave(&leave("old", Some("i")), now);
    assert_eq!(fenced, Err(ResponseError::FencedInstanceId));
    let unknown = scene.group.leave(&leave("", Some("k")), now);
    assert_eq!(unknown, Err(ResponseError::UnknownMemberId));
    assert_eq!(scene.group.leave(&leave("", Some("i")), now), Ok(()));
    assert_eq!(scene.group.leave(&leave("j1", None), now), Ok(()));
    scene.collect();
    assert_eq!((scene.group.state(), scene.group.generation()), (State::Empty, 2));
    assert_eq!(scene.stored.unwrap().members, []);
}

#[test]
fn who_may_commit_follows_from_state_and_generation() {
    let mut scene = Scene::new();
    let commit = |scene: &mut Scene, id: &str, generation| {
        scene.group.may_commit(id, None, generation, scene.now)
    };
    assert_eq!(commit(&mut scene, "", -1), Ok(()), "a simple consumer of an empty group");
    scene = Scene::pair();
    assert_eq!(commit(&mut scene, "", -1), Err(ResponseError::UnknownMemberId));
    assert_eq!(commit(&mut scene, "b", 2), Ok(()));
    assert_eq!(commit(&mut scene, "b", 1), Err(ResponseError::IllegalGeneration));
    scene.join(newcomer("c"));
    assert_eq!(commit(&mut scene, "b", 2), Ok(()), "of the generation that ends");
    scene.join(member("a"));
    scene.join(member("b"));
    assert_eq!(commit(&mut scene, "b", 3), Err(ResponseError::RebalanceInProgress));
}

#[test]
fn a_restored_group_goes_on_in_its_generation() {
    let scene = Scene::pair();
    let settings = scene.group.settings.clone();
    let mut group = Group::restore(settings, scene.stored.unwrap(), Moment(5_000));
    assert_eq!((group.state(), group.generation()), (State::Stable, 2));
    assert_eq!(group.heartbeat("b", None, 2, Moment(6_000)), Ok(()));
    group.tick(Moment(15_500));
    assert_eq!(group.state(), State::PreparingRebalance, "a never came back");
}

#[derive(Clone, Debug)]
enum Step {
    Join,
    Static(u8),
    Again(u8),
    Sync(u8),
    Beat(u8),
    Leave(u8),
    Wait(u16),
}

fn step() -> impl Strategy<Value = Step> {
    let who = 0_u8..12;
    prop_oneof![
        Just(Step::Join),
        who.clone().prop_map(Step::Static),
        who.clone().prop_map(Step::Again),
        who.clone().prop_map(Step::Sync),
        who.clone().prop_map(Step::Beat),
        who.prop_map(Step::Leave),
        (0_u16..20_000).prop_map(Step::Wait),
    ]
}

proptest! {
    /// Whatever members do: the generation never goes back, timers always lie ahead, each request
    /// is answered at most once, and when all have gone the group is empty.
    #[test]
    fn no_order_of_events_breaks_the_group(steps in prop::collection::vec(step(), 0..60)) {
        let mut scene = Scene::with_delay(Duration::from_millis(50));
        let mut generation = 0;
        for (i, step) in steps.into_iter().enumerate() {
            let nth = |scene: &Scene, n: u8| {
                let ids: Vec<String> = scene.group.members.keys().cloned().collect();
                (!ids.is_empty()).then(|| ids[usize::from(n) % ids.len()].clone())
            };
            match step {
                Step::Join => { scene.join(newcomer(&format!("m{i}"))); }
                Step::Static(n) => { scene.join(fixed(&format!("i{}", n % 3), &format!("s{i}"))); }
                Step::Again(n) => if let Some(id) = nth(&scene, n) {
                    let instance = scene.group.members[&id].instance.clone();
                    scene.join(Join { instance, ..member(&id) });
                },
                Step::Sync(n) => if let Some(id) = nth(&scene, n) { scene.sync(&id, &[]); },
                Step::Beat(n) => if let Some(id) = nth(&scene, n) { let _ = scene.beat(&id); },
                Step::Leave(n) => if let Some(id) = nth(&scene, n) {
                    let left = scene.group.leave(&Leave { member_id: id, instance: None }, scene.now);
                    prop_assert_eq!(left, Ok(()));
                    scene.collect();
                },
                Step::Wait(ms) => scene.wait(Duration::from_millis(ms.into())),
            }
            prop_assert!(scene.group.generation() >= generation);
            generation = scene.group.generation();
            prop_assert!(scene.group.next_wakeup().is_none_or(|wakeup| wakeup >= scene.now));
            let led = scene.group.leader.as_ref().is_none_or(|id| scene.group.members.contains_key(id));
            prop_assert!(led, "the leader is a member");
        }
        scene.wait(Duration::from_secs(3600));
        prop_assert!(scene.group.is_unused());
        prop_assert_eq!(scene.group.state(), State::Empty);
        let mut tickets: Vec<Ticket> = scene.joined.iter().map(|(ticket, _)| *ticket).collect();
        tickets.extend(scene.synced.iter().map(|(ticket, _)| *ticket));
        let answers = tickets.len();
        tickets.sort_unstable();
        tickets.dedup();
        prop_assert_eq!(tickets.len(), answers, "no request is answered twice");
        prop_assert_eq!(answers as u64, scene.tickets, "every request is answered");
    }
}
