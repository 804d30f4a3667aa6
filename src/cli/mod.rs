//! The command line: one file per command. Knows the rooms' doors, holds no logic of theirs.

pub mod audit;
pub mod backup;
pub mod breach_pack;
pub mod check;
mod check_keys;
mod check_risks;
mod check_trust;
pub mod device;
pub mod erase;
pub mod eval;
mod eval_figures;
mod eval_manifest;
pub mod lockdown;
pub mod policy;
mod policy_work;
pub mod replay;
mod replay_calls;
mod replay_messages;
mod replay_packets;
mod replay_streams;
pub mod score;
pub mod selftest;
pub mod serve;
mod store_place;
pub mod user;
pub mod verify;
mod verify_table;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::telemetry::LogFormat;

/// Screens inbound calls: who signed them, what the voice sounds like, and what your policy says about it.
#[derive(Parser, Debug)]
#[command(
    name = "ringward",
    version,
    max_term_width = 100,
    arg_required_else_help = true
)]
#[command(
    after_help = "Start here:\n  ringward demo                          watch real calls on loopback\n  ringward serve --config ringward.toml  run the gateway"
)]
pub struct Cli {
    /// Log lines as JSON objects
    #[arg(long, global = true, display_order = 900)]
    log_json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Run the gateway
    Serve(serve::Args),
    /// Everything on loopback: gateway, test signer, simulated callers with real audio, phones that answer
    Demo(crate::demo::Args),
    /// Validate configuration, policies, models and trust anchors; exit 1 with all faults
    Check(check::Args),
    /// Verify the Identity headers of a SIP message
    Verify(verify::Args),
    /// Prove on this machine that each check of the verifier catches what it is for
    Selftest(selftest::Args),
    /// Score audio files as if they were the caller's
    Score(score::ScoreArgs),
    /// Measure a model on recordings whose truth is known
    Eval(eval::EvalArgs),
    /// Run the calls of a packet capture through verification, scoring and policy once more
    Replay(replay::Args),
    /// Check, test, compare and explain policies
    Policy(policy::Args),
    /// What was done by whom: verify that nothing was changed, or print it
    Audit(audit::Args),
    /// Copy the store to a file while calls run
    Backup(backup::BackupArgs),
    /// Put such a copy in the place of the store
    Restore(backup::RestoreArgs),
    /// Take away for good what is known of one number; says what it would do
    Erase(erase::EraseArgs),
    /// Print what is held about one number
    ExportPerson(erase::ExportArgs),
    /// People's accounts: make, invite, disable, review
    User(user::Args),
    /// The first minutes of an incident: phones and accounts frozen, calls going on; undone by two people
    Lockdown(lockdown::Args),
    /// After an incident: what there is to look at and to tell a regulator, sealed for one recipient
    BreachPack(breach_pack::Args),
    /// Phones that may register: make, list, give another secret, remove
    Device(device::Args),
}

/// Parses the command line and runs the command.
pub fn run() -> anyhow::Result<ExitCode> {
    let cli = Cli::parse();
    let format = if cli.log_json {
        LogFormat::Json
    } else {
        LogFormat::Text
    };
    // Tools speak through their output; only the gateway tells what it is doing.
    let default_filter = if matches!(cli.command, Command::Serve(_)) {
        "info"
    } else {
        "warn,symphonia_core=off"
    };
    let telemetry = crate::telemetry::init(format, default_filter)?;
    match cli.command {
        Command::Serve(args) => serve::run(args, telemetry),
        Command::Demo(args) => crate::demo::run(args, telemetry),
        Command::Check(args) => check::run(args),
        Command::Verify(args) => verify::run(args),
        Command::Selftest(args) => selftest::run(args),
        Command::Score(args) => score::run(args),
        Command::Eval(args) => eval::run(args),
        Command::Replay(args) => replay::run(args),
        Command::Policy(args) => policy::run(args),
        Command::Audit(args) => audit::run(args),
        Command::Backup(args) => backup::backup(args),
        Command::Restore(args) => backup::restore(args),
        Command::Erase(args) => erase::erase(args),
        Command::ExportPerson(args) => erase::export(args),
        Command::User(args) => user::run(args),
        Command::Lockdown(args) => lockdown::run(args),
        Command::BreachPack(args) => breach_pack::run(args),
        Command::Device(args) => device::run(args),
    }
}
