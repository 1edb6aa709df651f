//! Where clients come in: on loopback, each kind on a port of its own.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use mio::net::TcpListener;

use crate::overview::{COMPAT_PORT, METRICS_PORT};
use crate::settings::Settings;

/// The bound listeners of one server.
#[derive(Debug)]
pub struct Listeners {
    /// For clients of ours.
    pub clients: TcpListener,
    /// For clients of other add-ons, if they are served.
    pub compat: Option<TcpListener>,
    /// For monitoring programs, if they may ask.
    pub pages: Option<TcpListener>,
}

impl Listeners {
    /// Bind them. For clients of ours any port will do, as they find it by the instance file. The others have been told
    /// where to ask: a port of theirs that is taken, as by another Blender with the same preferences, is no reason not to
    /// serve, but an alert, its name and text.
    ///
    /// # Errors
    /// The system's, where not even a port of its own choice can be had.
    pub fn bind(settings: &Settings) -> io::Result<(Listeners, Vec<(&'static str, String)>)> {
        let mut alerts = Vec::new();
        let mut exactly = |port: Option<u16>, alert: &'static str, what: &str| {
            let port = port?;
            let refused = |error| alerts.push((alert, format!("{what}: port {port} ({alert}): {error}")));
            listen_exactly(port).map_err(refused).ok()
        };
        let compat = exactly(settings.compat_port, COMPAT_PORT, "other add-ons' clients are not served");
        let pages = exactly(settings.metrics_port, METRICS_PORT, "/metrics is not served");
        Ok((Listeners { clients: listen(settings.port)?, compat, pages }, alerts))
    }
}

/// Listen on the preferred port if it is free.
fn listen(port: u16) -> io::Result<TcpListener> {
    listen_exactly(port).or_else(|error| if port == 0 { Err(error) } else { listen_exactly(0) })
}

fn listen_exactly(port: u16) -> io::Result<TcpListener> {
    TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))
}
