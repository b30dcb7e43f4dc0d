//! Reading from elsewhere: where each partition would go, and the command that takes it there, in
//! every process of the group that has one of them.
//!
//! A seek is all or nothing as far as that can be: whoever has one of the partitions has to answer
//! and to agree before the first one goes.

use std::time::Duration;

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{ConnectInfo, Path, State};
use forebay_gateway::{Handle, Place};
use forebay_kafka::{Admin, OffsetSpec, TopicPartition};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::api::{App, Refusal, Scope, Scoped};
use crate::command::From;
use crate::commands::About;
use crate::group;
use crate::peers::whom::{self, At, Peer, Said};

/// How long Kafka may take to say where a partition begins and ends.
const PATIENCE: Duration = Duration::from_secs(10);

/// Where to read from.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Where {
    Beginning,
    End,
    Offset(i64),
    /// The first record whose timestamp is no earlier; milliseconds since the epoch.
    Time(i64),
}

impl std::fmt::Display for Where {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Beginning => f.write_str("the beginning"),
            Self::End => f.write_str("the end"),
            Self::Offset(offset) => write!(f, "offset {offset}"),
            Self::Time(ms) => match jiff::Timestamp::from_millisecond(*ms) {
                Ok(time) => write!(f, "the time {time}"),
                Err(_) => write!(f, "the time {ms}"),
            },
        }
    }
}

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Seek {
    to: Where,
    /// Where none is named all but the park topic: its offsets and times are those of moves, and
    /// what waits there has been settled where it is from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    topic: Option<String>,
    /// Not there: all partitions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    partitions: Option<Vec<i32>>,
    #[serde(default)]
    dry_run: bool,
}

/// A partition's way.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Moved {
    topic: String,
    partition: i32,
    /// The commit point until now.
    from: i64,
    to: i64,
    /// Whose it is.
    instance: String,
}

#[derive(Debug, Serialize)]
pub(crate) struct Sought {
    partitions: Vec<Moved>,
    dry_run: bool,
}

pub(crate) async fn seek(
    State(app): State<App>,
    ConnectInfo(from): From,
    Path(name): Path<String>,
    scope: Scoped,
    body: Result<Json<Seek>, JsonRejection>,
) -> Result<Json<Sought>, Refusal> {
    let scope = Scope::of(scope)?;
    let Json(seek) = body?;
    if seek.partitions.as_ref().is_some_and(Vec::is_empty) {
        let message = "`partitions` names none; leave it out for all of them";
        return Err(Refusal::Invalid(message.to_owned()));
    }
    let handle = app.find(&name, &scope)?;
    let dry_run = seek.dry_run;
    let way = way(&app, &handle, &seek, &scope).await;
    if dry_run {
        return Ok(Json(Sought { partitions: way?.rows, dry_run }));
    }
    let command = match way.as_ref().map(|way| way.rows.len()) {
        Ok(1) => format!("seek {name} to {} (1 partition)", seek.to),
        Ok(count) => format!("seek {name} to {} ({count} partitions)", seek.to),
        Err(_) => format!("seek {name} to {}", seek.to),
    };
    let outcome = match way {
        Ok(way) => go(&app, &handle, &seek, way).await,
        Err(refusal) => Err(refusal),
    };
    let partitions = app.commands.keep(from, About::Subscription(&handle), command, outcome)?;
    Ok(Json(Sought { partitions, dry_run }))
}

/// What a seek would do, as all agree who have to do it.
struct Way {
    rows: Vec<Moved>,
    /// As many of the first are of this process.
    here: usize,
    peers: Vec<Peer>,
}

async fn way(app: &App, handle: &Handle, seek: &Seek, scope: &Scope) -> Result<Way, Refusal> {
    let peers = match scope.is_process() {
        true => Vec::new(),
        false => {
            let snapshot = handle.snapshot().await?;
            seek.is_of(&snapshot.name, &snapshot.topics, snapshot.park_topic.as_deref())?;
            whose(app, handle, seek).await?
        }
    };
    let mut rows = plan(handle, seek, peers.is_empty()).await?;
    let here = rows.len();
    for peer in &peers {
        rows.extend(peer_seeks(app, handle, peer, seek, true).await?);
    }
    Ok(Way { rows, here, peers })
}

/// Takes the rows of this process there, and has the others take theirs.
async fn go(
    app: &App,
    handle: &Handle,
    seek: &Seek,
    Way { rows, here, peers }: Way,
) -> Result<Vec<Moved>, Refusal> {
    let place = |moved: &Moved| Place {
        partition: TopicPartition::new(moved.topic.as_str(), moved.partition),
        offset: moved.to,
    };
    if here > 0 {
        let outcome = handle.seek(rows[..here].iter().map(place).collect()).await?;
        outcome.map_err(|error| Refusal::Conflict(error.to_string()))?;
    }
    let mut moved: Vec<Moved> = rows.into_iter().take(here).collect();
    let (mut done, mut undone, mut said) = (Vec::new(), Vec::new(), Vec::new());
    if here > 0 {
        done.push(whom::instance(handle.instance_id(), handle.name()));
    }
    for peer in &peers {
        match peer_seeks(app, handle, peer, seek, false).await {
            Ok(rows) => {
                moved.extend(rows);
                done.push(peer.instance.clone());
            }
            Err(refusal) => {
                let error = refusal.to_string();
                said.push(json!({ "instance": peer.instance, "done": false, "error": error }));
                undone.push(error);
            }
        }
    }
    if undone.is_empty() {
        return Ok(moved);
    }
    said.extend(done.iter().map(|name| json!({ "instance": name, "done": true })));
    let done =
        if done.is_empty() { "nowhere".to_owned() } else { format!("in {}", done.join(", ")) };
    let error = format!("the seek is done {done}; {}", undone.join("; "));
    Err(Refusal::Unfinished { error, processes: json!(said) })
}

/// The other processes that have some of the partitions. Refuses where one that has, or may have,
/// can't be asked, or where a partition that was named is nobody's.
async fn whose(app: &App, handle: &Handle, seek: &Seek) -> Result<Vec<Peer>, Refusal> {
    let said = app.peers.ask_all(handle).await;
    if said.is_empty() {
        return Ok(Vec::new());
    }
    let snapshot = handle.snapshot().await?;
    let had = snapshot.partitions.into_iter().map(|held| held.partition).collect();
    let peers = seek.owners(had, snapshot.park_topic.as_deref(), &said)?;
    Ok(peers.into_iter().cloned().collect())
}

/// Has another process seek what it has of these, or say what it would.
async fn peer_seeks(
    app: &App,
    handle: &Handle,
    peer: &Peer,
    seek: &Seek,
    dry_run: bool,
) -> Result<Vec<Moved>, Refusal> {
    let body = Seek { dry_run, ..seek.clone() };
    let body = serde_json::to_value(body).expect("names and numbers");
    let mut answer = group::forward(app, handle, peer, "/seek", body).await?;
    let rows = answer.get_mut("partitions").map(Value::take).unwrap_or_default();
    let rows: Result<Vec<Moved>, _> = serde_json::from_value(rows);
    rows.map_err(|_| Refusal::ByPeer {
        status: axum::http::StatusCode::BAD_GATEWAY,
        error: format!("{}: its answer can't be read", peer.instance),
    })
}

impl Seek {
    fn means(&self, partition: &TopicPartition, park_topic: Option<&str>) -> bool {
        let topic = match &self.topic {
            Some(named) => *named == *partition.topic,
            None => park_topic != Some(&*partition.topic),
        };
        topic && self.partitions.as_ref().is_none_or(|named| named.contains(&partition.partition))
    }

    /// Refuses a topic that the subscription does not read.
    fn is_of(&self, name: &str, topics: &[String], park: Option<&str>) -> Result<(), Refusal> {
        let known = topics.iter().map(String::as_str).chain(park);
        match &self.topic {
            Some(topic) if known.clone().all(|known| known != topic) => {
                let known: Vec<_> = known.map(|known| format!("`{known}`")).collect();
                let known = known.join(", ");
                Err(Refusal::Conflict(format!("{name} reads no topic `{topic}`; it reads {known}")))
            }
            _ => Ok(()),
        }
    }

    /// The other processes that have some of what is meant; `had` is what this one has.
    fn owners<'a>(
        &self,
        mut had: Vec<TopicPartition>,
        park: Option<&str>,
        said: &'a [(Peer, Said)],
    ) -> Result<Vec<&'a Peer>, Refusal> {
        let mut owners = Vec::new();
        for (peer, said_it) in said {
            let has = match said_it {
                Ok(shown) => partitions(shown),
                Err(why) if self.may_concern(peer, park) => {
                    let who = peer.ask(why);
                    let error = format!("nothing was done: partitions belong to {who}");
                    return Err(Refusal::Unfinished { error, processes: group::silent(said) });
                }
                Err(_) => continue,
            };
            if has.iter().any(|row| self.means(row, park)) {
                owners.push(peer);
            }
            had.extend(has);
        }
        let mut named = self.topic.iter().flat_map(|topic| {
            self.partitions
                .iter()
                .flatten()
                .map(|number| TopicPartition::new(topic.as_str(), *number))
        });
        match named.find(|named| !had.contains(named)) {
            Some(nobodys) => Err(Refusal::Conflict(format!(
                "nothing was done: no process of the group has partition {nobodys} at the moment"
            ))),
            None => Ok(owners),
        }
    }

    /// Whether one that did not answer may have some of it.
    fn may_concern(&self, peer: &Peer, park: Option<&str>) -> bool {
        match &peer.partitions {
            Some(rows) => rows.iter().any(|row| self.means(row, park)),
            None => peer.at != At::Ended,
        }
    }
}

/// What a process says that it has.
fn partitions(shown: &Value) -> Vec<TopicPartition> {
    let rows = shown["partitions"].as_array().into_iter().flatten();
    let row = |row: &Value| {
        let number = i32::try_from(row["partition"].as_i64()?).ok()?;
        Some(TopicPartition::new(row["topic"].as_str()?, number))
    };
    rows.filter_map(row).collect()
}

/// Where each partition of this process would go: only within what the log holds. That it has none
/// of them is refused where nobody else has, `alone`.
async fn plan(handle: &Handle, seek: &Seek, alone: bool) -> Result<Vec<Moved>, Refusal> {
    let snapshot = handle.snapshot().await?;
    let park = snapshot.park_topic.as_deref();
    let chosen = snapshot.partitions.iter().filter(|held| seek.means(&held.partition, park));
    let chosen: Vec<_> = chosen.map(|held| (held.partition.clone(), held.commit_point)).collect();
    if chosen.is_empty() && !alone {
        return Ok(Vec::new());
    }
    if chosen.is_empty() {
        let why = "none of these partitions is assigned to this process: are they of the \
                   subscription's topics?";
        return Err(Refusal::Conflict(why.to_owned()));
    }
    let instance = whom::instance(handle.instance_id(), handle.name());
    let (properties, to) = (handle.properties().clone(), seek.to.clone());
    let looked = tokio::task::spawn_blocking(move || {
        let admin = Admin::new(&properties, PATIENCE).map_err(|error| error.to_string())?;
        let list = |spec| {
            let wanted: Vec<_> = chosen.iter().map(|(held, _)| (held.clone(), spec)).collect();
            let listed = admin.offsets(&wanted).map_err(|error| error.to_string())?;
            let offsets = listed.into_iter().map(|listed| listed.offset);
            offsets.collect::<Result<Vec<_>, _>>().map_err(|error| error.to_string())
        };
        let (first, end) = (list(OffsetSpec::Earliest)?, list(OffsetSpec::Latest)?);
        let wanted = match to {
            Where::Beginning => first.clone(),
            Where::End => end.clone(),
            Where::Offset(offset) => vec![Some(offset); chosen.len()],
            Where::Time(ms) => list(OffsetSpec::Time(ms))?,
        };
        let rows = chosen.into_iter().zip(wanted).zip(first.into_iter().zip(end));
        rows.map(|(((held, from), wanted), (first, end))| {
            let (first, end) = (first.unwrap_or(0), end.unwrap_or(0));
            let to = wanted.unwrap_or(end);
            if !(first..=end).contains(&to) {
                return Err(format!("{held} holds offsets {first} to {end}, and not {to}"));
            }
            let (topic, partition) = (held.topic.to_string(), held.partition);
            Ok(Moved { topic, partition, from, to, instance: instance.clone() })
        })
        .collect::<Result<Vec<_>, String>>()
    });
    let looked = looked.await.map_err(|_| Refusal::Stopped)?;
    looked.map_err(Refusal::Conflict)
}

#[cfg(test)]
mod tests;
