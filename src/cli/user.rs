//! `ringward user`: people's accounts, at the machine itself, beside a gateway that runs or before it ever did.

use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;

use super::store_place::Where;
use crate::accounts::{
    BY_COMMAND, By, Change, Invitation, NewUser, Role, Sessions, Tokens, User, Users, review, to_csv,
};
use crate::runtime::clock;
use crate::store::{self, Audit, Store};

#[derive(clap::Args, Debug)]
#[command(
    after_help = "Examples:\n  ringward user add ann --person \"Ann Example\" --role admin --config ringward.toml\n  ringward user list --json\n  ringward user reset ann\n  ringward user review --csv > access-review.csv\n\n`add` and `reset` print a link, once: with it the person sets a password. A gateway that runs sees what was done within five seconds. Everything stands in the audit, by \"command-line\"."
)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand, Debug)]
enum Command {
    /// Make an account and print the invitation for its person
    Add {
        /// What the person signs in with
        name: String,
        /// The person's own name
        #[arg(long)]
        person: String,
        /// receptionist, supervisor, analyst, policy-author, policy-approver, auditor or admin; may be given several times
        #[arg(long = "role", required = true, value_parser = role)]
        roles: Vec<Role>,
        #[command(flatten)]
        place: Where,
    },
    /// Print every account
    List {
        /// One JSON object per line
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        place: Where,
    },
    /// Take password and second factor away, end the sessions, and print another invitation
    Reset {
        name: String,
        #[command(flatten)]
        place: Where,
    },
    /// Shut an account; its sessions end
    Disable {
        name: String,
        #[command(flatten)]
        place: Where,
    },
    /// Open a disabled account again
    Enable {
        name: String,
        #[command(flatten)]
        place: Where,
    },
    /// Give an account other roles; its sessions end
    Roles {
        name: String,
        /// All roles it has from now on
        #[arg(long = "role", required = true, value_parser = role)]
        roles: Vec<Role>,
        #[command(flatten)]
        place: Where,
    },
    /// Take an account away
    Delete {
        name: String,
        #[command(flatten)]
        place: Where,
    },
    /// Print everybody and everything that may sign in, with what it may and when it was used last
    Review {
        /// CSV instead of one JSON object per line
        #[arg(long)]
        csv: bool,
        #[command(flatten)]
        place: Where,
    },
}

/// The store that is meant, and where the console of its gateway is.
struct Place {
    store: Arc<dyn Store>,
    users: Users,
    console: String,
}

pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    let mut out = std::io::stdout().lock();
    let at_ms = clock::now().unix_ms();
    let by = By {
        who: BY_COMMAND,
        at_ms,
    };
    match args.command {
        Command::Add {
            name,
            person,
            roles,
            place,
        } => {
            let place = Place::open(&place)?;
            anyhow::ensure!(
                !Tokens::load(&*place.store)?.has(&name),
                "the name is taken by a token"
            );
            let new = NewUser {
                name: name.clone(),
                person,
                roles,
            };
            let invitation = place.users.add(&new, by)?;
            place.print(&mut out, &name, &invitation)?;
        }
        Command::Reset { name, place } => {
            let place = Place::open(&place)?;
            let invitation = place.users.reset(&name, by)?;
            place.print(&mut out, &name, &invitation)?;
        }
        Command::List { json, place } => {
            for user in Place::open_to_read(&place)?.users.all() {
                writeln!(out, "{}", line(&user, json, at_ms))?;
            }
        }
        Command::Disable { name, place } => change(&place, &name, disabled(true), by)?,
        Command::Enable { name, place } => change(&place, &name, disabled(false), by)?,
        Command::Roles { name, roles, place } => {
            let roles = Change {
                roles: Some(roles),
                ..Change::default()
            };
            change(&place, &name, roles, by)?;
        }
        Command::Delete { name, place } => Place::open(&place)?.users.remove(&name, by)?,
        Command::Review { csv, place } => {
            let place = Place::open_to_read(&place)?;
            let (tokens, sessions) = (Tokens::load(&*place.store)?, Sessions::load(&*place.store)?);
            let users = place.users.all();
            let lines = review(users.iter().map(Arc::as_ref), &tokens, &sessions, at_ms);
            if csv {
                write!(out, "{}", to_csv(&lines))?;
            } else {
                for line in &lines {
                    writeln!(out, "{}", serde_json::to_string(line)?)?;
                }
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn change(place: &Where, name: &str, change: Change, by: By<'_>) -> anyhow::Result<()> {
    Place::open(place)?.users.change(name, &change, by)?;
    Ok(())
}

fn disabled(is_disabled: bool) -> Change {
    Change {
        is_disabled: Some(is_disabled),
        ..Change::default()
    }
}

fn line(user: &User, json: bool, now_ms: u64) -> String {
    let roles: Vec<&str> = user.roles.iter().map(|role| role.name()).collect();
    let (state, has_second_factor) = (user.state(now_ms), user.has_second_factor());
    if json {
        let line = serde_json::json!({
            "name": user.name, "person": user.person, "roles": roles, "state": state,
            "has_second_factor": has_second_factor, "last_in_ms": user.last_in_ms,
        });
        return line.to_string();
    }
    let second = if has_second_factor {
        "second factor"
    } else {
        "no second factor"
    };
    format!(
        "{}  {}  {}  {state}, {second}",
        user.name,
        user.person,
        roles.join(",")
    )
}

fn role(name: &str) -> Result<Role, String> {
    Role::named(name).ok_or_else(|| {
        let names: Vec<&str> = Role::ALL.iter().map(|role| role.name()).collect();
        format!("roles are {}", names.join(", "))
    })
}

impl Place {
    /// To write, which a gateway may do at the same time.
    fn open(place: &Where) -> anyhow::Result<Place> {
        Place::with(place, store::open_beside)
    }

    fn open_to_read(place: &Where) -> anyhow::Result<Place> {
        Place::with(place, store::open_to_read)
    }

    fn with(
        place: &Where,
        open: impl Fn(&store::Config) -> Result<Arc<dyn Store>, store::StoreError>,
    ) -> anyhow::Result<Place> {
        let config = place.config()?;
        let url = config.store.url;
        let file = url.strip_prefix("sqlite:").map(std::path::PathBuf::from);
        let is_new = file.as_ref().is_some_and(|file| !file.exists());
        let store = open(&store::Config { url }).context("the store")?;
        if let Some(file) = file.filter(|_| is_new) {
            let file = std::path::absolute(&file).unwrap_or(file);
            eprintln!(
                "ringward: there was no store at {}: it is made now (another is meant by --config or --store)",
                file.display()
            );
        }
        let audit = Arc::new(Audit::open(store.clone()).context("the audit")?);
        let users = Users::open(store.clone(), audit).context("the accounts")?;
        let scheme = if config.api_tls.is_some() { "https" } else { "http" };
        let listen = format!("{scheme}://{}", config.api.listen);
        Ok(Place {
            store,
            users,
            console: config.api.public_url.unwrap_or(listen),
        })
    }

    fn print(&self, out: &mut impl Write, name: &str, invitation: &Invitation) -> anyhow::Result<()> {
        let base = self.console.trim_end_matches('/');
        writeln!(out, "{base}/#invitation={}", invitation.code.reveal())?;
        eprintln!(
            "ringward: this link lets {name} set a password, once and within 72 hours; it is shown this once"
        );
        Ok(())
    }
}
