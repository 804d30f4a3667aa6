//! Signed calls, and what verifying them takes on either side.

use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::matrix;
use crate::matrix::authority::{Lists, World};
use crate::matrix::host::Hosts;
use crate::matrix::{Stage, list_file, write_files};

/// Calls that are signed: a token for each, their certificate on a host of ours, and who trusts it.
pub struct Signed {
    folder: PathBuf,
    /// For SIPp, a line for each call.
    pub tokens: PathBuf,
    /// `[identity]` of the gateway.
    pub lines: String,
    _hosts: Hosts,
}

impl Signed {
    pub fn new(folder: &Path, calls: u64) -> Signed {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() as i64;
        let (world, hosts) = (World::new(now), Hosts::start(now).unwrap());
        write_files(folder, &world, &hosts).unwrap();
        let stage = Stage {
            world: &world,
            hosts: &hosts,
            now,
        };
        let token = stage.token();
        let mut tokens = String::from("SEQUENTIAL\n");
        for _ in 0..calls {
            tokens.push_str(&stage.sign(&token));
            tokens.push('\n');
        }
        let file = folder.join("tokens.csv");
        std::fs::write(&file, tokens).unwrap();
        let path = |name: &str| folder.join(name).display().to_string();
        Signed {
            folder: folder.to_path_buf(),
            tokens: file,
            lines: format!(
                "[identity]\nanchors = [{:?}]\ncrls = [{:?}]\nx5u_allow = {:?}\nx5u_tls_anchors = [{:?}]\nfreshness = \"10m\"\n",
                path("anchors.pem"),
                path(list_file(Lists::Current)),
                hosts.allowed(),
                path("web.pem"),
            ),
            _hosts: hosts,
        }
    }

    /// What Kamailio needs to verify: as strict as its module goes, the certificate from its cache.
    pub fn module(&self) -> String {
        let path = |name: &str| self.folder.join(name).display().to_string();
        std::fs::create_dir_all(self.folder.join("cache")).unwrap();
        format!(
            "loadmodule \"secsipid.so\"\nmodparam(\"secsipid\", \"expire\", 600)\nmodparam(\"secsipid\", \"timeout\", 2)\n\
             modparam(\"secsipid\", \"cache_expire\", 3600)\nmodparam(\"secsipid\", \"cache_dir\", \"{}\")\n\
             modparam(\"secsipid\", \"libopt\", \"CertVerify={}\")\nmodparam(\"secsipid\", \"libopt\", \"CertCAFile={}\")\n\
             modparam(\"secsipid\", \"libopt\", \"CertCRLFile={}\")\n",
            path("cache"),
            matrix::peers::secsipidx::CERT_VERIFY,
            path("anchors.pem"),
            path(list_file(Lists::Current)),
        )
    }
}
