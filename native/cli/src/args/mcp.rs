//! What can be asked of the server for AI clients.

use std::path::PathBuf;

use clap::Args as Group;

/// How AI clients are served.
#[derive(Debug, Group)]
#[command(
    after_help = "Example: spindle mcp --http --port 0\n\nAI clients start this themselves: `spindle setup` tells them to.\n\n\
                        It may be started before Blender, finds Blender when it appears, and again after a restart. With \
                        --http it serves clients that take a URL, on this machine only, until Ctrl-C, or until its \
                        standard input ends where that is a pipe; they pass the token in the header `Authorization: Bearer …`."
)]
pub struct Mcp {
    /// Serve clients that take a URL
    #[arg(long)]
    pub http: bool,
    /// The port for --http; 0 lets the system choose
    #[arg(long, value_name = "N", default_value_t = 9878, requires = "http")]
    pub port: u16,
    /// Where the token for --http is; the file is made if it is missing
    #[arg(long, value_name = "FILE", requires = "http")]
    pub token_file: Option<PathBuf>,
}
