//! What must hold after every run, and what a test may ask of a world.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use ringward::call::record::Ending;
use ringward::call::{CallRecord, LiveParts};

use crate::wire::Message;
use crate::world::World;

impl World {
    /// Checkers for every run.
    pub fn check(&self) {
        let trace = || self.trace.join("\n");
        for (address, agent) in &self.agents {
            for (line, finals) in agent.finals() {
                assert_eq!(
                    finals.len(),
                    1,
                    "one final answer per INVITE: {address} {line} {finals:?}\n{}",
                    trace()
                );
            }
            for (id, line) in &agent.lines {
                assert_eq!(
                    line.state,
                    crate::agent::State::Over,
                    "nobody is left behind: {address} {id}\n{}",
                    trace()
                );
            }
        }
        for (id, records) in &self.records {
            let finals = records
                .iter()
                .filter(|record| record.timings.ended_ms.is_some())
                .count();
            assert_eq!(finals, 1, "one last record per call: {id:?}\n{}", trace());
            let last = records.last().unwrap();
            assert!(
                last.timings.ended_ms.is_some() && last.outcome.is_some(),
                "the last record is the last word"
            );
            assert!(
                records.windows(2).all(|pair| pair[0].revision < pair[1].revision),
                "revisions count up"
            );
            assert!(
                !format!("{last:?}").contains("4045550123"),
                "no full number printed"
            );
        }
        for (id, media) in &self.media {
            assert_eq!(
                (media.opened, media.closed),
                (1, 1),
                "ports are given back: {id:?}\n{}",
                trace()
            );
        }
        for engine in std::iter::once(&self.engine).chain(&self.others) {
            assert_eq!(engine.live_calls(), 0, "no call leaks\n{}", trace());
            assert_eq!(
                engine.live_parts(),
                LiveParts::default(),
                "nothing of a call leaks\n{}",
                trace()
            );
        }
    }

    /// The only call's last record.
    pub fn record(&self) -> &CallRecord {
        assert_eq!(self.records.len(), 1, "{}", self.trace.join("\n"));
        self.records.values().next().unwrap().last().unwrap()
    }

    pub fn ending(&self) -> (Ending, u16, &str) {
        let outcome = self.record().outcome.as_ref().expect("an outcome");
        (outcome.ending, outcome.status, outcome.by.as_str())
    }

    /// The only line of an agent.
    pub fn line(&self, agent: SocketAddr) -> &crate::agent::Line {
        let lines = &self.agents[&agent].lines;
        assert_eq!(lines.len(), 1, "one call at {agent}");
        lines.values().next().unwrap()
    }

    /// Statuses an agent heard to its requests of this method, repeats left out.
    pub fn heard(&self, agent: SocketAddr, method: &str) -> Vec<u16> {
        let mut heard = Vec::new();
        for response in &self.line(agent).responses {
            let entry = (response.cseq(), response.status().unwrap());
            if response.method() == method && !heard.contains(&entry) {
                heard.push(entry);
            }
        }
        heard.into_iter().map(|(_, status)| status).collect()
    }

    /// Methods an agent was asked, in order.
    pub fn asked(&self, agent: SocketAddr) -> Vec<String> {
        self.line(agent)
            .received
            .iter()
            .map(|request| request.method().to_string())
            .collect()
    }

    /// The line of a phone that it began, or the one it answered.
    pub fn line_of(&self, phone: SocketAddr, is_its_own: bool) -> String {
        let lines = &self.agents[&phone].lines;
        let found = lines.keys().find(|id| id.starts_with("call-") == is_its_own);
        found.expect("such a line").clone()
    }

    /// Methods a phone was asked on that line, in order.
    pub fn asked_on(&self, phone: SocketAddr, is_its_own: bool) -> Vec<String> {
        let id = self.line_of(phone, is_its_own);
        let received = &self.agents[&phone].lines[&id].received;
        received
            .iter()
            .map(|request| request.method().to_string())
            .collect()
    }

    pub fn count(&self, name: &str) -> u64 {
        self.counts.get(name).copied().unwrap_or_default()
    }

    /// The INVITE a phone got.
    pub fn rung(&self, phone: SocketAddr) -> &Message {
        &self.line(phone).invite
    }

    /// Tags of the last record.
    pub fn tags(&self) -> BTreeSet<String> {
        let decided = self.record().decisions.last().expect("a decision");
        decided
            .decision
            .verdict
            .findings
            .iter()
            .map(|finding| {
                serde_json::to_value(finding.tag)
                    .unwrap()
                    .as_str()
                    .unwrap()
                    .to_string()
            })
            .collect()
    }
}
