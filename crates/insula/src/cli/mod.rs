//! The command line: one file per command. Data goes to stdout, progress to stderr; with `--json` the data is the API's
//! own JSON. Commands about data have one way to it, the management API: see [`target`].

mod batch;
mod budget;
mod cache;
mod client;
mod completions;
mod config;
mod corpus;
mod credit;
mod defaults;
mod dev;
mod doctor;
mod document;
mod embedder;
mod end_user;
mod exit;
mod explain;
mod export;
mod key;
mod ledger;
mod limit;
mod migrate;
mod operator;
mod output;
mod provider_credential;
mod quickstart;
mod request;
mod routing;
mod search;
mod serve;
mod settings;
mod signals;
mod simulator;
mod statement;
mod store;
mod subject;
mod tags;
mod target;
mod tenant;
mod times;
mod token;
mod usage;
mod webhook;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use client::Client;
use exit::Failure;
use output::Output;
use target::Target;

/// Insula: a server in front of AI providers, where each tenant has its own data, budget and bill.
#[derive(Debug, Parser)]
#[command(name = "insula", version, propagate_version = true, arg_required_else_help = true, max_term_width = 110)]
#[command(after_help = AFTER_HELP)]
struct Cli {
    /// Data as JSON on stdout, errors as JSON on stderr.
    // Behind a command's own flags, before --help.
    #[arg(long, global = true, display_order = 900)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

const AFTER_HELP: &str = "\
Start with `insula dev`: a server on this machine with two tenants and a simulated provider, no keys needed.
Then `insula quickstart` proves that it does what it promises.

Exit codes: 0 ok, 1 failed, 2 usage, 3 not found, 4 not authorised, 5 conflict, 6 refused by policy or budget.";

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs the server.
    Serve(serve::ServeArgs),
    /// Runs a server for trying things out: loopback only, two tenants, a simulated provider.
    Dev(dev::DevArgs),
    /// Proves step by step that a running server does what it promises.
    Quickstart(quickstart::QuickstartArgs),
    /// Runs a simulated provider, for tests and trials.
    Simulator(simulator::SimulatorArgs),
    /// Manages operator keys, which open the management of the whole platform.
    Operator(operator::OperatorArgs),
    /// Manages tenants, the customers of the product.
    Tenant(tenant::TenantArgs),
    /// Manages plans: limits, budgets and models that tenants inherit, and what they are charged.
    #[command(after_help = defaults::PLANS_HELP)]
    Plan(defaults::DefaultsArgs),
    /// Manages segments: groups of tenants, whose limits, budgets and models come before those of plans.
    #[command(after_help = defaults::SEGMENTS_HELP)]
    Segment(defaults::DefaultsArgs),
    /// Manages the keys of a tenant: for the data plane, or for its own management too.
    Key(key::KeyArgs),
    /// Issues short-lived tokens for programs that act for one tenant.
    Token(token::TokenArgs),
    /// Manages budgets: caps on what is spent in a month, a day or an hour.
    Budget(budget::BudgetArgs),
    /// Manages limits: caps on pace and on requests at once, and how requests wait for their turn.
    Limit(limit::LimitArgs),
    /// Manages a tenant's own credentials at providers.
    ProviderCredential(provider_credential::ProviderCredentialArgs),
    /// Manages how a tenant's requests are routed, and says where one would go.
    Routing(routing::RoutingArgs),
    /// Manages the answer cache of a tenant.
    Cache(cache::CacheArgs),
    /// Chooses what places a tenant's documents among each other.
    Embedder(embedder::EmbedderArgs),
    /// Shows the end users of a tenant's product.
    EndUser(end_user::EndUserArgs),
    /// Shows what was used and what it cost.
    Usage(usage::UsageArgs),
    /// Shows what a tenant was charged in a month, and why.
    Statement(statement::StatementArgs),
    /// Manages credits: what tenants are given back on their statements.
    Credit(credit::CreditArgs),
    /// Explains one request: where its time went and what it cost.
    Explain(explain::ExplainArgs),
    /// Shows the finished requests of a tenant, and each with its stages and attempts.
    Request(request::RequestArgs),
    /// Shows batches and how far they are.
    Batch(batch::BatchArgs),
    /// Manages a tenant's documents, which can be searched, and inspects files.
    Document(document::DocumentArgs),
    /// Searches a tenant's documents.
    Search(search::SearchArgs),
    /// Manages reference corpora: texts that are no tenant's, such as laws, and which tenants may read them.
    Corpus(corpus::CorpusArgs),
    /// Manages webhooks, which are told what happens.
    Webhook(webhook::WebhookArgs),
    /// Checks that the accounts follow from the ledger.
    Ledger(ledger::LedgerArgs),
    /// Audits what searches tenants' vectors, and says where they are to be.
    Store(store::StoreArgs),
    /// Builds the database that several nodes share, or brings it up to this version.
    Migrate(migrate::MigrateArgs),
    /// Examines the installation and says how to mend it.
    Doctor(doctor::DoctorArgs),
    /// Shows the configuration, or the reference of all its keys.
    Config(config::ConfigArgs),
    /// Prints completions for a shell.
    Completions(completions::CompletionsArgs),
}

/// The whole program.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let out = Output::new(cli.json);
    if let Command::Document(args) = &cli.command
        && args.is_reader()
    {
        // It bounds its own process, so nothing else may run in it.
        return ended(document::serve(), out);
    }
    crate::wire::install_tls();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            out.failure(&Failure::failed(format!("cannot start: {error}")));
            return ExitCode::FAILURE;
        }
    };
    ended(runtime.block_on(run(cli.command, out)), out)
}

fn ended(result: Result<(), Failure>, out: Output) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            out.failure(&failure);
            failure.exit_code()
        }
    }
}

impl Command {
    /// Whether it runs until it is asked to stop, and then logs as the configuration says.
    fn keeps_running(&self) -> bool {
        matches!(self, Command::Serve(_) | Command::Dev(_) | Command::Simulator(_))
    }
}

async fn run(command: Command, out: Output) -> Result<(), Failure> {
    if !command.keeps_running() {
        // What runs for a moment has nothing to log but trouble.
        crate::logging::init_quiet();
    }
    match command {
        Command::Serve(args) => serve::run(args, out).await,
        Command::Dev(args) => dev::run(args, out).await,
        Command::Quickstart(args) => quickstart::run(args, out).await,
        Command::Simulator(args) => simulator::run(args, out).await,
        Command::Operator(args) => operator::run(args, out).await,
        Command::Tenant(args) => tenant::run(args, out).await,
        Command::Plan(args) => defaults::run(args, "plans", out).await,
        Command::Segment(args) => defaults::run(args, "segments", out).await,
        Command::Key(args) => key::run(args, out).await,
        Command::Token(args) => token::run(args, out).await,
        Command::Budget(args) => budget::run(args, out).await,
        Command::Limit(args) => limit::run(args, out).await,
        Command::ProviderCredential(args) => provider_credential::run(args, out).await,
        Command::Routing(args) => routing::run(args, out).await,
        Command::Cache(args) => cache::run(args, out).await,
        Command::Embedder(args) => embedder::run(args, out).await,
        Command::EndUser(args) => end_user::run(args, out).await,
        Command::Usage(args) => usage::run(args, out).await,
        Command::Statement(args) => statement::run(args, out).await,
        Command::Credit(args) => credit::run(args, out).await,
        Command::Explain(args) => explain::run(args, out).await,
        Command::Request(args) => request::run(args, out).await,
        Command::Batch(args) => batch::run(args, out).await,
        Command::Document(args) => document::run(args, out).await,
        Command::Search(args) => search::run(args, out).await,
        Command::Corpus(args) => corpus::run(args, out).await,
        Command::Webhook(args) => webhook::run(args, out).await,
        Command::Ledger(args) => ledger::run(args, out).await,
        Command::Store(args) => store::run(args, out).await,
        Command::Migrate(args) => migrate::run(args, out).await,
        Command::Doctor(args) => doctor::run(args, out).await,
        Command::Config(args) => config::run(args, out),
        Command::Completions(args) => completions::run(&args, out),
    }
}

/// Does `work` with a client for the target, and closes it whatever came of it.
async fn with_client<T>(target: &Target, work: impl AsyncFnOnce(&Client) -> Result<T, Failure>) -> Result<T, Failure> {
    let client = target.connect().await?;
    let result = work(&client).await;
    let closed = client.close().await;
    result.and_then(|value| closed.map(|()| value))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn only_shared_flags_stand_under_a_heading() {
        let shared = ["url", "operator_key", "data_dir", "config", "listen"];
        let mut left = vec![Cli::command()];
        while let Some(command) = left.pop() {
            for arg in command.get_arguments().filter(|arg| arg.get_help_heading().is_some()) {
                assert!(shared.contains(&arg.get_id().as_str()), "{} of {}", arg.get_id(), command.get_name());
            }
            left.extend(command.get_subcommands().cloned());
        }
    }

    #[test]
    fn shared_flags_stand_anywhere() {
        for words in [
            ["insula", "--json", "tenant", "list", "--data-dir", "d"],
            ["insula", "tenant", "--data-dir", "d", "list", "--json"],
        ] {
            assert!(Cli::try_parse_from(words).is_ok_and(|cli| cli.json), "{words:?}");
        }
        assert!(Cli::try_parse_from(["insula", "tenant", "list", "--url", "http://a", "--data-dir", "d"]).is_err());
        assert!(Cli::try_parse_from(["insula", "budget", "set", "acme"]).is_err(), "a budget without a cap");
        assert!(Cli::try_parse_from(["insula", "statement"]).is_err(), "a statement without a tenant");
        let compare = ["insula", "statement", "--data-dir", "d", "compare", "acme", "globex", "--month", "2026-01"];
        assert!(Cli::try_parse_from(compare).is_ok());
    }
}
