//! A network of its own for a program, in which no way leads outside: the kernel counts whatever wanted to go there, for as long as
//! the program lives, so that nothing is missed between two looks.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Names are asked of an address outside, so that a look-up counts too. At the end one datagram of our own shows that what leaves is
/// counted.
const SCRIPT: &str = r#"
folder=$1; shift
ip link set lo up || exit 121
if [ -e /etc/resolv.conf ]; then
  echo 'nameserver 192.0.2.53' > "$folder/resolv.conf"
  mount --bind "$folder/resolv.conf" /etc/resolv.conf || exit 122
fi
"$@" &
echo $! > "$folder/pid"
wait $!
code=$?
cat /proc/net/snmp /proc/net/snmp6 > "$folder/left"
(echo > /dev/udp/192.0.2.9/9) 2>/dev/null
cat /proc/net/snmp /proc/net/snmp6 > "$folder/left-with-ours"
exit $code
"#;

const UNSHARE: [&str; 4] = ["--user", "--map-root-user", "--net", "--mount"];

/// Whether this program succeeds in a network of its own, by these flags of `unshare`; where not, the log says so.
pub fn is_given(flags: &[&str], program: &[&str]) -> bool {
    let ran = Command::new("unshare").args(flags).args(program).output();
    let is_given = ran.is_ok_and(|output| output.status.success());
    if !is_given {
        eprintln!("left out: this machine gives no network of its own (unshare --user --net)");
    }
    is_given
}

pub struct Alone {
    folder: PathBuf,
}

impl Alone {
    /// None = this machine gives nobody a network of his own; the log says so.
    pub fn new() -> Option<Alone> {
        is_given(&UNSHARE, &["ip", "link", "set", "lo", "up"]).then(|| Alone {
            folder: super::folder("alone"),
        })
    }

    /// The program there; its arguments are still to be added.
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new("unshare");
        command.args(UNSHARE).args(["bash", "-c", SCRIPT, "alone"]);
        command.arg(&self.folder).arg(program);
        command
    }

    /// While it lives: it is to end.
    pub fn end(&self) {
        let pid = std::fs::read_to_string(self.folder.join("pid")).expect("its number");
        let told = Command::new("kill").args(["-TERM", pid.trim()]).status();
        assert!(told.expect("kill runs").success(), "{pid}");
    }

    /// After its end: how often something wanted to leave this machine.
    pub fn left(&self) -> u64 {
        let left = counted(&self.folder.join("left"));
        assert_eq!(
            counted(&self.folder.join("left-with-ours")),
            left + 1,
            "the kernel counts what wants to leave"
        );
        left
    }
}

/// `OutNoRoutes` of both families (RFC 4293 `ipSystemStatsOutNoRoutes`): connections and datagrams for which there was no way.
fn counted(file: &Path) -> u64 {
    let text = std::fs::read_to_string(file).expect("what the kernel counted");
    let mut ip = text.lines().filter_map(|line| line.strip_prefix("Ip: "));
    let (names, values) = (ip.next().expect("names"), ip.next().expect("values"));
    let at = names.split(' ').position(|name| name == "OutNoRoutes");
    let of_4 = values.split(' ').nth(at.expect("the counter"));
    let of_6 = text.lines().find_map(|line| line.strip_prefix("Ip6OutNoRoutes"));
    let number = |text: &str| text.trim().parse::<u64>().expect("a number");
    number(of_4.expect("its value")) + of_6.map_or(0, number)
}
