//! A real Redis of a test's own, on a port of its own, for as long as somebody uses it.

use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

/// How long a server may take to be there: machines are slow at times.
const PATIENCE: Duration = Duration::from_secs(60);

/// More than all tests of a binary ask for.
const DATABASES: u32 = 9_999;

pub struct RedisServer {
    /// Chain and key, where it speaks TLS only.
    tls: Option<(PathBuf, PathBuf)>,
    /// When it writes to the disk: what it answers for in between is gone when it is killed.
    fsync: &'static str,
    child: Mutex<Child>,
    port: u16,
    folder: PathBuf,
    next: AtomicU32,
}

impl RedisServer {
    /// One that all tests that run at the moment share; each asks for a database of its own. None = there is no Redis on this
    /// machine, and none is required.
    pub fn shared() -> Option<Arc<RedisServer>> {
        static SERVER: Mutex<Weak<RedisServer>> = Mutex::new(Weak::new());
        let mut server = SERVER.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(server) = server.upgrade() {
            return Some(server);
        }
        let started = Arc::new(RedisServer::start_as("everysec")?);
        *server = Arc::downgrade(&started);
        Some(started)
    }

    /// One that nobody else uses, and that answers only for what is on its disk: it can be killed.
    pub fn start() -> Option<RedisServer> {
        RedisServer::start_as("always")
    }

    /// One that speaks TLS only.
    pub fn start_over_tls(chain: &Path, key: &Path) -> Option<RedisServer> {
        RedisServer::start_with("always", Some((chain.into(), key.into())))
    }

    fn start_as(fsync: &'static str) -> Option<RedisServer> {
        RedisServer::start_with(fsync, None)
    }

    fn start_with(fsync: &'static str, tls: Option<(PathBuf, PathBuf)>) -> Option<RedisServer> {
        if !is_here() {
            let is_required = std::env::var("RINGWARD_PEERS").is_ok_and(|value| value == "required");
            assert!(!is_required, "missing peer: redis-server (tests/run installs it)");
            eprintln!("skipped: redis-server is not installed (tests/run installs it)");
            return None;
        }
        static FOLDERS: AtomicU32 = AtomicU32::new(0);
        let number = FOLDERS.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("ringward-redis-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        // Somebody else may take the port between the moment it is found free and the moment it is taken.
        for _ in 0..20 {
            let free = TcpListener::bind("127.0.0.1:0").expect("a port");
            let port = free.local_addr().expect("its number").port();
            drop(free);
            let mut child = run(&folder, port, fsync, tls.as_ref());
            if is_up(&mut child, port, tls.is_some()) {
                return Some(RedisServer {
                    tls,
                    fsync,
                    child: Mutex::new(child),
                    port,
                    folder,
                    next: AtomicU32::new(0),
                });
            }
        }
        panic!("no Redis came up");
    }

    /// A database that nobody has used, seen by the gateway of this name.
    pub fn url(&self, node: &str) -> String {
        self.url_of(self.next.fetch_add(1, Ordering::Relaxed), node)
    }

    pub fn url_of(&self, database: u32, node: &str) -> String {
        assert!(database < DATABASES);
        let spool = self.folder.join(format!("spool-{database}-{node}.jsonl"));
        format!(
            "redis://127.0.0.1:{}/{database}?node={node}&spool={}",
            self.port,
            spool.display()
        )
    }

    /// Where it keeps its files.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// As a machine that loses power does it: at once.
    pub fn kill(&self) {
        let mut child = self.child.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = child.kill();
        let _ = child.wait();
    }

    /// `STOP`: it hangs; `CONT`: it goes on.
    pub fn signal(&self, signal: &str) {
        let child = self.child.lock().unwrap_or_else(PoisonError::into_inner);
        let sent = Command::new("kill")
            .args([format!("-{signal}"), child.id().to_string()])
            .status();
        assert!(sent.is_ok_and(|status| status.success()), "kill -{signal}");
    }

    /// After [`RedisServer::kill`]: again, with what it had written down.
    pub fn start_again(&self) {
        let mut child = self.child.lock().unwrap_or_else(PoisonError::into_inner);
        *child = run(&self.folder, self.port, self.fsync, self.tls.as_ref());
        assert!(
            is_up(&mut child, self.port, self.tls.is_some()),
            "Redis did not come up again"
        );
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        self.kill();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn is_here() -> bool {
    std::env::var_os("PATH")
        .is_some_and(|path| std::env::split_paths(&path).any(|folder| folder.join("redis-server").is_file()))
}

fn run(folder: &Path, port: u16, fsync: &str, tls: Option<&(PathBuf, PathBuf)>) -> Child {
    let mut command = Command::new("redis-server");
    match tls {
        Some((chain, key)) => command
            .args([
                "--port",
                "0",
                "--tls-port",
                &port.to_string(),
                "--tls-auth-clients",
                "no",
            ])
            .arg("--tls-cert-file")
            .arg(chain)
            .arg("--tls-key-file")
            .arg(key),
        None => command.args(["--port", &port.to_string()]),
    };
    command
        .args([
            "--bind",
            "127.0.0.1",
            "--save",
            "",
            "--appendonly",
            "yes",
            "--appendfsync",
            fsync,
        ])
        .args(["--databases", &DATABASES.to_string()])
        .args(["--dir", &folder.display().to_string()])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("redis-server starts")
}

/// False = it ended: somebody else has the port.
fn is_up(child: &mut Child, port: u16, is_tls: bool) -> bool {
    use std::io::{Read, Write};
    let ours = format!("process_id:{}\r", child.id());
    let start = Instant::now();
    while start.elapsed() < PATIENCE {
        if child.try_wait().expect("a child of ours").is_some() {
            return false;
        }
        let mut answers = || -> std::io::Result<bool> {
            let mut stream = TcpStream::connect(("127.0.0.1", port))?;
            if is_tls {
                // It had the port before it could be looked at: whoever has another's ends above.
                std::thread::sleep(Duration::from_millis(200));
                return Ok(child.try_wait()?.is_none());
            }
            stream.set_read_timeout(Some(PATIENCE))?;
            stream.write_all(b"INFO server\r\n")?;
            let (mut told, mut some) = (String::new(), [0; 4096]);
            // While it loads what it had written it says so instead.
            while !told.contains("tcp_port") && !told.starts_with('-') {
                match stream.read(&mut some)? {
                    0 => break,
                    read => told.push_str(&String::from_utf8_lossy(&some[..read])),
                }
            }
            stream.write_all(b"DBSIZE\r\n")?;
            let read = stream.read(&mut some)?;
            Ok(told.contains(&ours) && some[..read].starts_with(b":"))
        };
        if answers().unwrap_or(false) {
            return true;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    let _ = child.kill();
    let _ = child.wait();
    false
}
