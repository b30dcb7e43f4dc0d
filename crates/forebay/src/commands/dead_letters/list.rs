//! `forebay dead-letters list`, and what a dry run shows.

use super::shown::{COLUMNS, Shown, row};
use super::summary::LeftOut;
use super::topic::{Found, Letter, LetterTopic};
use crate::cli::cluster::Output;
use crate::cli::dead_letters::{List, Selection};
use crate::exit::{Exit, Failure, Outcome};
use crate::output::Table;
use crate::process::{Interrupt, print};

/// Letters that are put under one another before they are printed.
const PAGE: usize = 500;

pub(super) fn run(args: &List) -> Outcome {
    let interrupt = Interrupt::listen().map_err(Failure::of(Exit::Usage))?;
    let selection = &args.selection;
    let (cluster, name) = super::find(&args.place, selection.subscription.as_deref())?;
    let topic = LetterTopic::open(&cluster, &name, &selection.partitions(), &interrupt)?;
    let what = What { selection, closed_too: args.all, limit: args.limit, output: args.output };
    let (listed, left_out) = list(&topic, &what, &interrupt)?;
    if args.output == Output::Table {
        crate::logs::say(&format!("{listed} letters{left_out}"));
    }
    Ok(Exit::Done)
}

/// What to list, and how.
pub(super) struct What<'a> {
    pub(super) selection: &'a Selection,
    pub(super) closed_too: bool,
    pub(super) limit: Option<u64>,
    pub(super) output: Output,
}

/// Prints them, and says how many they were.
pub(super) fn list(
    topic: &LetterTopic,
    what: &What<'_>,
    interrupt: &Interrupt,
) -> Result<(u64, LeftOut), Failure> {
    let mut page = Page::new(what.output);
    let (mut listed, mut left_out) = (0, LeftOut::default());
    let mut pass = topic.read("reading letters")?;
    while what.limit.is_none_or(|limit| listed < limit) {
        let Some((partition, record)) = pass.next(interrupt)? else { break };
        let letter = match topic.found(partition, record) {
            Found::Letter(letter) => letter,
            other => {
                left_out.count(&other);
                continue;
            }
        };
        if !what.selection.picks(&letter) {
            left_out.not_picked += 1;
        } else if letter.mark.is_some() && !what.closed_too {
            left_out.closed += 1;
        } else {
            page.add(&letter)?;
            listed += 1;
        }
    }
    page.print()?;
    Ok((listed, left_out))
}

/// Lines that are printed together.
struct Page {
    output: Output,
    table: Table,
    json: String,
    lines: usize,
    now: i64,
}

impl Page {
    fn new(output: Output) -> Self {
        let now = jiff::Timestamp::now().as_millisecond();
        Self { output, table: Table::new(&COLUMNS), json: String::new(), lines: 0, now }
    }

    fn add(&mut self, letter: &Letter) -> Result<(), Failure> {
        match self.output {
            Output::Table => self.table.row(row(letter, self.now)),
            Output::Json => self.json.push_str(&json_line(&Shown::brief(letter))?),
        }
        self.lines += 1;
        if self.lines == PAGE { self.print() } else { Ok(()) }
    }

    fn print(&mut self) -> Result<(), Failure> {
        if self.lines == 0 {
            return Ok(());
        }
        let table = std::mem::replace(&mut self.table, Table::new(&COLUMNS));
        self.lines = 0;
        match self.output {
            Output::Table => print(&table.render()).map(|_| ()),
            Output::Json => print(&std::mem::take(&mut self.json)).map(|_| ()),
        }
    }
}

pub(super) fn json_line(shown: &Shown<'_>) -> Result<String, Failure> {
    let mut line = serde_json::to_string(shown).map_err(Failure::of(Exit::Broken))?;
    line.push('\n');
    Ok(line)
}
