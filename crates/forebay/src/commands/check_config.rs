//! `forebay check-config`: says what is wrong with a file, what is likely to surprise, and what the
//! file comes to.

use forebay_kafka::{Admin, Properties};
use serde::Serialize;

use crate::cli::{CheckConfig, Output};
use crate::cluster::failure;
use crate::config::problem::{Placed, Problem};
use crate::config::{Config, ConfigError, plan};
use crate::exit::{Exit, Failure, Outcome};
use crate::lint::facts::Facts;
use crate::lint::{Finding, Seen, Severity, lint, made_by_gateway};
use crate::output::print_json;
use crate::process::print;

pub(crate) fn run(args: &CheckConfig) -> Outcome {
    match check(args) {
        Ok(checked) => tell(args, &checked),
        Err(Stop::Unusable(ConfigError::Wrong(placed))) if args.output == Output::Json => {
            let findings: Vec<Shown<'_>> = placed.iter().map(Shown::unusable).collect();
            print_json(&Json { findings, unknown: &[], will_make: &[], effective: None })?;
            Ok(Exit::Configuration)
        }
        Err(Stop::Unusable(error)) => Err(error.into()),
        Err(Stop::Failed(failure)) => Err(failure),
    }
}

/// A file that can be used, and what was found about it.
struct Checked {
    config: Config,
    properties: Properties,
    findings: Vec<Finding>,
    /// What the cluster did not tell.
    unknown: Vec<String>,
    /// Topics that are not there and that the gateway makes, in words.
    will_make: Vec<String>,
}

enum Stop {
    Unusable(ConfigError),
    Failed(Failure),
}

impl From<ConfigError> for Stop {
    fn from(error: ConfigError) -> Self {
        Self::Unusable(error)
    }
}

fn check(args: &CheckConfig) -> Result<Checked, Stop> {
    let config = Config::load(&args.file)?;
    plan::is_whole(&config)?;
    let given = plan::given(&config, &config.broker.listen)?;
    let properties = plan::properties(&config, &config.broker.listen)?;
    plan::plans(&config, &properties)?;
    plan::token(&config)?;
    let facts = match args.against_cluster {
        true => Some(ask(args, &config, &properties).map_err(Stop::Failed)?),
        false => None,
    };
    let seen = Seen { config: &config, given: &given, facts: facts.as_ref() };
    let findings = lint(&seen);
    let will_make = if args.against_cluster { made_by_gateway(&seen) } else { Vec::new() };
    let unknown = facts.map(|facts| facts.unknown).unwrap_or_default();
    Ok(Checked { config, properties, findings, unknown, will_make })
}

fn ask(args: &CheckConfig, config: &Config, properties: &Properties) -> Result<Facts, Failure> {
    let admin = Admin::new(properties, args.timeout.0).map_err(failure)?;
    Facts::ask(config, &admin).map_err(failure)
}

fn tell(args: &CheckConfig, checked: &Checked) -> Outcome {
    let Checked { config, properties, findings, unknown, will_make } = checked;
    let effective = config.effective(properties).map_err(Failure::of(Exit::Configuration))?;
    let exit = if findings.is_empty() { Exit::Done } else { Exit::Broken };
    let placed: Vec<(Placed, &Finding)> =
        findings.iter().map(|it| (place(config, it), it)).collect();
    if args.output == Output::Json {
        let findings = placed.iter().map(|(placed, it)| Shown::found(placed, it)).collect();
        print_json(&Json { findings, unknown, will_make, effective: Some(&effective) })?;
        return Ok(exit);
    }
    print(&effective)?;
    for what in unknown {
        tracing::warn!("not checked: {what}");
    }
    for what in will_make {
        crate::logs::say(&format!("the gateway will make {what}, with the cluster's own defaults"));
    }
    if findings.is_empty() {
        return Ok(exit);
    }
    let lines: Vec<String> = placed.iter().map(|(placed, _)| placed.to_string()).collect();
    Err(Failure::new(exit, lines.join("\n")))
}

fn place(config: &Config, finding: &Finding) -> Placed {
    let severity = match finding.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    };
    let Finding { rule, what, advice, span, .. } = finding;
    let message = format!("{severity}: {what}; {advice} [{rule}]");
    config.source.place(Problem { span: span.clone(), message })
}

/// What `--output json` prints; stable.
#[derive(Serialize)]
struct Json<'a> {
    findings: Vec<Shown<'a>>,
    unknown: &'a [String],
    will_make: &'a [String],
    /// The whole configuration as TOML; absent where the file can't be used.
    effective: Option<&'a str>,
}

#[derive(Serialize)]
struct Shown<'a> {
    /// `configuration` where the file can't be used.
    rule: &'a str,
    severity: Severity,
    file: &'a str,
    line: Option<usize>,
    what: &'a str,
    /// When the rule finds something, and what to do then.
    when: Option<&'a str>,
    advice: Option<&'a str>,
}

impl<'a> Shown<'a> {
    fn unusable(placed: &'a Placed) -> Self {
        Self {
            rule: "configuration",
            severity: Severity::Error,
            file: &placed.name,
            line: placed.line_number(),
            what: &placed.message,
            when: None,
            advice: None,
        }
    }

    fn found(placed: &'a Placed, finding: &'a Finding) -> Self {
        Self {
            rule: finding.rule,
            severity: finding.severity,
            file: &placed.name,
            line: placed.line_number(),
            what: &finding.what,
            when: Some(finding.when),
            advice: Some(&finding.advice),
        }
    }
}
