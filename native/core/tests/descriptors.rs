//! The descriptor limit. It is the process's, so this is a test binary of its own, with one test.

#![cfg(unix)]

mod support;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use spindle_core::handle::{BlenderFacts, Handle};
use spindle_core::limits::Limits;
use spindle_core::settings::Settings;
use support::Harness;

/// raise_descriptor_limit: connections that do not fit are refused by name, or the soft limit is raised.
#[test]
fn connections_must_fit_the_descriptor_limit() {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: Some(256), maximum }).expect("lowered");
    let start = |settings| Handle::start(settings, BlenderFacts::default()).err().map(|error| error.to_string());
    let wanted =
        Settings { port: 0, limits: Limits { max_connections: 200, ..Limits::default() }, ..Settings::default() };
    let error = start(wanted.clone()).expect("refused");
    assert!(error.contains("max_connections is 200; this process may open 256 files"), "{error}");
    drop(Harness::start(|settings| settings.limits.max_connections = 128));
    if maximum.is_none_or(|hard| hard >= 328) {
        drop(Harness::start(|settings| {
            settings.limits.max_connections = 200;
            settings.raise_descriptor_limit = true;
        }));
        assert_eq!(getrlimit(Resource::Nofile).current, Some(328));
    }
}
