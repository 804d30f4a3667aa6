//! One connection to Redis: over TCP or TLS, let in, with our scripts known to it.

use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, after};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use super::address::Address;
use super::reply::{Commands, Reply};
use crate::given_file;
use crate::store::limits::{ANCHORS_OCTETS_MAX, REDIS_ANSWER, REDIS_CONNECT, REDIS_EXCHANGE};

/// What runs inside Redis, whole or not at all.
#[derive(Clone, Copy, Debug)]
pub(super) enum Script {
    PutCall,
    Report,
    Fetch,
    Find,
    Together,
    Token,
    Erase,
    Tell,
}

const SCRIPTS: [&str; 8] = [
    include_str!("scripts/put_call.lua"),
    include_str!("scripts/report.lua"),
    include_str!("scripts/fetch.lua"),
    include_str!("scripts/find.lua"),
    include_str!("scripts/together.lua"),
    include_str!("scripts/token.lua"),
    include_str!("scripts/erase.lua"),
    include_str!("scripts/tell.lua"),
];

/// A connection. After an error it is of no use any more: what was asked may have been done or not.
pub(super) struct Client {
    stream: BufReader<Stream>,
    /// By [`Script`].
    scripts: Vec<String>,
}

/// Octets to and from Redis. Each read and write takes [`REDIS_ANSWER`] at most; none begins after the end of an exchange.
struct Stream {
    ways: Ways,
    /// Has something to give when the exchange has taken too long.
    end: Receiver<Instant>,
}

enum Ways {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

impl Client {
    /// Blocks for [`REDIS_CONNECT`] an address, and [`REDIS_EXCHANGE`] for the answers, at most.
    ///
    /// # Errors
    ///
    /// In words: nobody there, not let in, no such database.
    pub fn connect(address: &Address) -> Result<Client, String> {
        let stream = dial(address).map_err(|error| error.to_string())?;
        let ways = match address.is_tls {
            false => Ways::Plain(stream),
            true => Ways::Tls(Box::new(secured(address, stream)?)),
        };
        let mut client = Client {
            stream: BufReader::new(Stream {
                ways,
                end: after(REDIS_EXCHANGE),
            }),
            scripts: Vec::new(),
        };
        let mut commands = Commands::default();
        if let Some(password) = &address.password {
            match &address.user {
                Some(user) => commands.add(&["AUTH", user, password.reveal()]),
                None => commands.add(&["AUTH", password.reveal()]),
            }
        }
        commands.add(&["SELECT", &address.database.to_string()]);
        for script in SCRIPTS {
            commands.add(&["SCRIPT", "LOAD", script]);
        }
        let mut replies = client.each(&commands)?;
        if address.password.is_some()
            && let Some(Reply::Refused(problem)) = replies.first()
        {
            // What is no Redis may say the password back.
            let kind = problem.split(' ').next().unwrap_or_default();
            return Err(match kind {
                "WRONGPASS" | "NOAUTH" | "NOPERM" => "Redis does not take the user or password".into(),
                _ => "Redis did not understand AUTH".into(),
            });
        }
        let mut replies = replies
            .drain(..)
            .map(Reply::sound)
            .collect::<Result<Vec<_>, _>>()?;
        client.scripts = replies
            .split_off(replies.len() - SCRIPTS.len())
            .into_iter()
            .filter_map(Reply::text)
            .collect();
        if client.scripts.len() != SCRIPTS.len() {
            return Err("Redis took no scripts".into());
        }
        Ok(client)
    }

    /// The name under which Redis knows a script.
    pub fn name(&self, script: Script) -> &str {
        &self.scripts[script as usize]
    }

    /// One answer to one command.
    ///
    /// # Errors
    ///
    /// The connection's, or Redis's words why it did not do it.
    pub fn ask(&mut self, words: &[&str]) -> Result<Reply, String> {
        let mut replies = self.all(&Commands::one(words))?;
        replies.pop().ok_or_else(|| "no answer".into())
    }

    pub fn run(&mut self, script: Script, words: &[&str]) -> Result<Reply, String> {
        let name = self.name(script).to_string();
        let mut all = vec!["EVALSHA", &name, "0"];
        all.extend_from_slice(words);
        self.ask(&all)
    }

    /// As many answers as commands, if Redis did every one of them.
    ///
    /// # Errors
    ///
    /// As [`Client::ask`]; the others may have been done.
    pub fn all(&mut self, commands: &Commands) -> Result<Vec<Reply>, String> {
        let replies = self.each(commands)?;
        replies.into_iter().map(Reply::sound).collect()
    }

    /// As many answers as commands, whatever they say.
    ///
    /// # Errors
    ///
    /// The connection's.
    pub fn each(&mut self, commands: &Commands) -> Result<Vec<Reply>, String> {
        self.stream.get_mut().end = after(REDIS_EXCHANGE);
        let mut exchange = || -> io::Result<Vec<Reply>> {
            self.stream.get_mut().write_all(commands.octets())?;
            self.stream.get_mut().flush()?;
            (0..commands.count())
                .map(|_| Reply::read(&mut self.stream))
                .collect()
        };
        exchange().map_err(|error| in_words(&error))
    }

    /// Asks a connection that subscribed to say something: its answer is the next message, or one after it.
    ///
    /// # Errors
    ///
    /// The connection's.
    pub fn poke(&mut self) -> Result<(), String> {
        let stream = self.stream.get_mut();
        stream.end = after(REDIS_EXCHANGE);
        let said = stream.write_all(Commands::one(&["PING"]).octets());
        said.and_then(|()| stream.flush())
            .map_err(|error| in_words(&error))
    }

    /// The next message to a connection that subscribed; None = none in `patience`.
    ///
    /// # Errors
    ///
    /// The connection's.
    pub fn next(&mut self, patience: Duration) -> Result<Option<Reply>, String> {
        let mut wait = || -> io::Result<Option<Reply>> {
            self.stream.get_mut().end = after(patience + REDIS_EXCHANGE);
            self.stream.get_ref().socket().set_read_timeout(Some(patience))?;
            match self.stream.fill_buf() {
                Ok(_) => {}
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                    return Ok(None);
                }
                Err(error) => return Err(error),
            }
            self.stream
                .get_ref()
                .socket()
                .set_read_timeout(Some(REDIS_ANSWER))?;
            Reply::read(&mut self.stream).map(Some)
        };
        wait().map_err(|error| in_words(&error))
    }
}

impl Stream {
    fn socket(&self) -> &TcpStream {
        match &self.ways {
            Ways::Plain(socket) => socket,
            Ways::Tls(stream) => &stream.sock,
        }
    }

    fn in_time(&self) -> io::Result<()> {
        // Looked at, not taken: it stays over.
        match self.end.is_empty() {
            true => Ok(()),
            false => Err(ErrorKind::TimedOut.into()),
        }
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.in_time()?;
        match &mut self.ways {
            Ways::Plain(stream) => stream.read(buffer),
            Ways::Tls(stream) => stream.read(buffer),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.in_time()?;
        match &mut self.ways {
            Ways::Plain(stream) => stream.write(octets),
            Ways::Tls(stream) => stream.write(octets),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.ways {
            Ways::Plain(stream) => stream.flush(),
            Ways::Tls(stream) => stream.flush(),
        }
    }
}

/// Whether there is somebody at the address who says that he is Redis and ready: not one that still loads what it had written.
pub(super) fn is_there(address: &Address) -> bool {
    match Client::connect(address) {
        Ok(_) => true,
        // Whatever else it says, it is there, and will not be otherwise by waiting.
        Err(problem) => dial(address).is_ok() && !problem.contains("LOADING") && problem != SILENT,
    }
}

fn dial(address: &Address) -> io::Result<TcpStream> {
    let mut last = io::Error::new(ErrorKind::NotFound, "the name has no address");
    for place in (address.host.as_str(), address.port).to_socket_addrs()? {
        match TcpStream::connect_timeout(&place, REDIS_CONNECT) {
            Ok(stream) => {
                stream.set_nodelay(true)?;
                stream.set_read_timeout(Some(REDIS_ANSWER))?;
                stream.set_write_timeout(Some(REDIS_ANSWER))?;
                return Ok(stream);
            }
            Err(error) => last = error,
        }
    }
    Err(last)
}

fn secured(address: &Address, stream: TcpStream) -> Result<StreamOwned<ClientConnection, TcpStream>, String> {
    let mut roots = RootCertStore::empty();
    match &address.anchors {
        Some(file) => {
            let named = |error: &dyn std::fmt::Display| format!("{}: {error}", file.display());
            let pem = given_file::read(file, ANCHORS_OCTETS_MAX).map_err(|error| named(&error))?;
            for certificate in CertificateDer::pem_slice_iter(&pem) {
                let certificate = certificate.map_err(|error| named(&error))?;
                roots.add(certificate).map_err(|error| named(&error))?;
            }
        }
        None => {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
    }
    if roots.is_empty() {
        return Err("there is nobody to sign its certificate: name them with anchors=FILE".into());
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from(address.host.clone()).map_err(|error| error.to_string())?;
    let session = ClientConnection::new(Arc::new(config), name).map_err(|error| error.to_string())?;
    Ok(StreamOwned::new(session, stream))
}

const SILENT: &str = "Redis does not answer";

fn in_words(error: &io::Error) -> String {
    match error.kind() {
        ErrorKind::WouldBlock | ErrorKind::TimedOut => SILENT.into(),
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One octet now and then is no answer, however long it goes on.
    #[test]
    fn an_exchange_ends_though_octets_trickle_in() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let place = listener.local_addr().unwrap();
        let stream = TcpStream::connect(place).unwrap();
        let (mut peer, _) = listener.accept().unwrap();
        peer.write_all(b"+O").unwrap();
        let mut stream = Stream {
            ways: Ways::Plain(stream),
            end: after(Duration::from_secs(60)),
        };
        let mut one = [0; 1];
        assert_eq!(stream.read(&mut one).unwrap(), 1);
        stream.end = after(Duration::ZERO);
        assert_eq!(stream.read(&mut one).unwrap_err().kind(), ErrorKind::TimedOut);
        assert_eq!(stream.write(b"x").unwrap_err().kind(), ErrorKind::TimedOut);
    }
}
