//! What happens in a demo, in its order.

use std::sync::Arc;
use std::time::Duration;

use forebay_trial::{Kill, clock};
use tokio::time::Instant;

use super::group::Watch;
use super::input::Row;
use super::picture::{Picture, thousands};
use super::play::Play;
use super::replay::Replay;
use super::report::{Generations, Report};
use super::stage::{Cluster, PARTITIONS, ServiceState, Stage, broker};
use super::troupe::Troupe;
use crate::exit::{Exit, Failure};

/// What to play.
pub(super) struct Plan {
    pub(super) title: String,
    pub(super) rows: Arc<Vec<Row>>,
    /// Records a second.
    pub(super) rate: f64,
    /// None: the embedded broker.
    pub(super) cluster: Option<Arc<Cluster>>,
    /// Runs the gateway so that it breaks its promises of order, for the judge to see.
    pub(super) without_order: bool,
}

/// The topic on the embedded broker.
const TOPIC: &str = "flights";
/// Shares of the input after which something is done.
const GROW_AT: f64 = 0.12;
const KILL_SERVICE_AT: f64 = 0.30;
const KILL_GATEWAY_AT: f64 = 0.45;
const SHRINK_AT: f64 = 0.65;

const GROWN: usize = 8;
const SHRUNK: usize = 2;
/// What an instance should work on when it is killed, and how long to wait for one that does.
const BUSY: usize = 3;
const BUSY_WITHIN: Duration = Duration::from_millis(1_500);
/// The gateway may take this long until it delivers from everywhere.
const STARTING: Duration = Duration::from_secs(60);
/// After this long without anything new, what is missing is missing.
const STUCK: Duration = Duration::from_secs(30);
/// Services drain what is in flight, at most until its deadline.
const DRAINING: Duration = Duration::from_secs(30);

pub(super) async fn play(plan: &Plan, troupe: &mut Troupe) -> Result<Report, Failure> {
    let mut play = begin(plan, troupe).await?;
    reach(&mut play, GROW_AT).await?;
    let before = latest(&play);
    grow(&mut play).await?;
    reach(&mut play, KILL_SERVICE_AT).await?;
    kill_service(&mut play).await?;
    reach(&mut play, KILL_GATEWAY_AT).await?;
    kill_gateway(&mut play).await?;
    reach(&mut play, SHRINK_AT).await?;
    shrink(&mut play).await?;
    play.now("replaying the rest");
    finish(&mut play).await?;
    let group = play.watch.group();
    let rebalances = group.generations.range(before + 1..).count();
    let generations = Generations { before, after: latest(&play), rebalances };
    curtain(&mut play).await?;

    let verdict = play.judge();
    play.picture.clear();
    Ok(Report::new(
        play.title,
        play.records,
        verdict,
        generations,
        play.max_lag,
        play.replay.started,
        play.parts,
    ))
}

/// Starts everything, up to the first record.
async fn begin<'a>(plan: &Plan, troupe: &'a mut Troupe) -> Result<Play<'a>, Failure> {
    let mut picture = Picture::new();
    picture.step(0.0, "starting");
    let cluster = match &plan.cluster {
        Some(cluster) => cluster.clone(),
        None => {
            let servers = broker(troupe).await?;
            Arc::new(tokio::task::block_in_place(|| Cluster::open(&servers, TOPIC))?)
        }
    };
    let watch = tokio::task::block_in_place(|| {
        Watch::start(&cluster.admin, &cluster.properties, cluster.group())
    })?;
    let mut stage = Stage::new(troupe, cluster, plan);
    stage.start_services(1).await?;
    stage.start_gateway()?;
    let began = Instant::now();
    while !stage.gateway_delivers().await? || watch.group().generations.is_empty() {
        check_start(began)?;
        stage.troupe.check()?;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let cluster = &stage.cluster;
    let replay = Replay::start(&cluster.properties, &cluster.topic, plan.rows.clone(), plan.rate)?;
    let (title, records) = (plan.title.clone(), plan.rows.len());
    let mut play = Play::new(stage, watch, replay, picture, title, records);
    play.open_journals(0)?;
    play.now("one service does what it can");
    Ok(play)
}

fn check_start(began: Instant) -> Result<(), Failure> {
    if began.elapsed() <= STARTING {
        return Ok(());
    }
    let message = format!("the gateway does not deliver from every partition after {STARTING:?}");
    Err(Failure::new(Exit::Unreachable, message))
}

/// Waits until this share of the input is in Kafka.
async fn reach(play: &mut Play<'_>, share: f64) -> Result<(), Failure> {
    let records = (play.records as f64 * share) as usize;
    play.until(|play| play.replay.acknowledged() >= records).await
}

fn latest(play: &Play<'_>) -> i32 {
    play.watch.group().generations.last().copied().unwrap_or(-1)
}

async fn grow(play: &mut Play<'_>) -> Result<(), Failure> {
    let serving = play.stage.serving().len();
    play.now(&format!("the service grows from {serving} to {GROWN}"));
    add_services(play, GROWN - serving).await?;
    play.done(format!("scaled the service from {serving} to {GROWN} instances"));
    play.now("eight services keep up");
    Ok(())
}

/// Starts more instances and tells the gateway of them.
async fn add_services(play: &mut Play<'_>, count: usize) -> Result<(), Failure> {
    let first = play.stage.services.len();
    play.stage.start_services(count).await?;
    play.open_journals(first)?;
    play.stage.list_services().await
}

async fn kill_service(play: &mut Play<'_>) -> Result<(), Failure> {
    let began = Instant::now();
    while busiest(play).1 < BUSY && began.elapsed() < BUSY_WITHIN {
        play.tick().await?;
    }
    let (instance, _) = busiest(play);
    let at = clock::now();
    play.stage.kill_service(instance).await;
    play.kills.push(Kill::Service { instance, at });
    play.tick().await?;
    let left = unanswered(play, instance);
    play.now(&format!("service {} was killed; another takes its place", instance + 1));
    play.done(format!(
        "killed service {} with SIGKILL (deliveries at work: {})",
        instance + 1,
        thousands(left)
    ));
    add_services(play, 1).await?;
    play.done(format!("replaced it by service {}", play.stage.services.len()));
    play.now("eight services keep up");
    Ok(())
}

/// The serving instance that works on the most, and on how much.
fn busiest(play: &Play<'_>) -> (usize, usize) {
    let serving = play.stage.serving();
    let busy = serving.into_iter().map(|number| (number, unanswered(play, number)));
    busy.max_by_key(|(_, at_work)| *at_work).expect("some instance serves at all times")
}

fn unanswered(play: &Play<'_>, number: usize) -> usize {
    let all = play.journals.deliveries().iter();
    all.filter(|delivery| delivery.instance == number && delivery.ended.is_none()).count()
}

async fn kill_gateway(play: &mut Play<'_>) -> Result<(), Failure> {
    play.now("the gateway was killed; it starts again");
    let began = Instant::now();
    play.stage.kill_gateway().await;
    let commit_points = tokio::task::block_in_place(|| play.stage.cluster.commit_points())?;
    play.kills.push(Kill::Gateway { at: clock::now(), commit_points });
    play.done("killed the gateway with SIGKILL".to_owned());
    play.stage.start_gateway()?;
    while !play.stage.gateway_delivers().await? {
        check_start(began)?;
        play.tick().await?;
    }
    let took = began.elapsed().as_millis();
    play.done(format!("the gateway delivers again, {took} ms after it was killed"));
    play.now("eight services catch up");
    Ok(())
}

async fn shrink(play: &mut Play<'_>) -> Result<(), Failure> {
    let serving = play.stage.serving();
    play.now(&format!("the service shrinks from {} to {SHRUNK}", serving.len()));
    let leaving = &serving[..serving.len() - SHRUNK];
    for number in leaving {
        play.stage.services[*number].state = ServiceState::Leaving;
    }
    play.stage.list_services().await?;
    let began = Instant::now();
    while !play.stage.is_drained().await? && began.elapsed() < DRAINING {
        play.tick().await?;
    }
    for number in leaving {
        play.stage.end_service(*number).await;
    }
    let (from, took) = (serving.len(), began.elapsed().as_millis());
    play.done(format!(
        "scaled the service from {from} to {SHRUNK} instances, drained and ended in {took} ms"
    ));
    Ok(())
}

/// Waits until everything is committed, or nothing moves any more.
async fn finish(play: &mut Play<'_>) -> Result<(), Failure> {
    let mut moved = Instant::now();
    let mut last = (0, 0);
    while !play.is_all_committed() {
        play.tick().await?;
        let committed: i64 = play.watch.group().commit_points.values().sum();
        let reached = (play.replay.acknowledged(), committed);
        if reached != last {
            (last, moved) = (reached, Instant::now());
        } else if moved.elapsed() > STUCK {
            play.done(format!("gave up: nothing has moved for {} s", STUCK.as_secs()));
            break;
        }
    }
    Ok(())
}

/// Ends the gateway and the services in order, and reads the last of their journals.
async fn curtain(play: &mut Play<'_>) -> Result<(), Failure> {
    play.stage.end_gateway().await;
    for number in play.stage.serving() {
        play.stage.end_service(number).await;
    }
    play.journals.read().map(drop).map_err(Failure::of(Exit::Usage))
}

impl Plan {
    /// For the first line of all that is shown.
    pub(super) fn title(name: &str, kafka: Option<&str>) -> String {
        let cluster = kafka.map_or_else(|| "the embedded broker".to_owned(), str::to_owned);
        format!("{name}, over {PARTITIONS} partitions of {cluster}")
    }
}
