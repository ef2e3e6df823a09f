//! CPU of a server beside nginx as a plain reverse proxy, in the same run: absolute times drift with the machine.
//!
//! The gateway has CPU 0; upstream and load share CPU 1. [`load`](mod@load) makes requests and measures what they cost a process;
//! [`canned`] is an upstream that costs next to nothing itself.

pub mod canned;
pub mod load;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use crate::child::{self, Child};

pub use load::{Load, Measured, Request, measure};

const GATEWAY_CPU: &str = "0";
const LOAD_CPU: &str = "1";
const NGINX_PORT: u16 = 18_437;

/// Whatever is measured is ready within this.
pub const READY_WITHIN: Duration = Duration::from_secs(20);

/// Keeps this process, and all that it starts, off the gateway's CPU unless they are moved there.
pub fn make_way() -> Result<()> {
    let moved = Command::new("taskset").args(["-cp", LOAD_CPU, &std::process::id().to_string()]).output();
    ensure!(moved.context("taskset is missing (package util-linux)")?.status.success(), "taskset failed");
    Ok(())
}

/// A program on the gateway's CPU.
pub fn gateway(program: &Path) -> Command {
    pinned(GATEWAY_CPU, program)
}

/// A program beside the load.
pub fn beside_the_load(program: &Path) -> Command {
    pinned(LOAD_CPU, program)
}

fn pinned(cpu: &str, program: &Path) -> Command {
    let mut command = child::command("taskset");
    command.args(["-c", cpu]).arg(program);
    command
}

/// Starts nginx in front of `upstream`, with its files in `folder`; where it listens.
pub fn start_nginx(folder: &Path, upstream: &str) -> Result<(Child, String)> {
    let program = ["/usr/sbin/nginx", "/usr/local/sbin/nginx"].iter().map(PathBuf::from).find(|path| path.exists());
    let program = program.context("nginx is missing: apt-get install nginx-light")?;
    let at = folder.display();
    let host = upstream.trim_start_matches("http://");
    let config = format!(
        "master_process off; daemon off; pid {at}/nginx.pid; error_log {at}/nginx.log;\n\
         events {{ worker_connections 4096; }}\n\
         http {{ access_log off; client_body_temp_path {at}/body; proxy_temp_path {at}/proxy; fastcgi_temp_path {at}/f; uwsgi_temp_path {at}/u; scgi_temp_path {at}/s;\n\
         keepalive_requests 1000000; upstream model {{ server {host}; keepalive 256; keepalive_requests 1000000; }}\n\
         server {{ listen 127.0.0.1:{NGINX_PORT}; location / {{ proxy_pass http://model; proxy_http_version 1.1; proxy_set_header Connection \"\"; proxy_buffering off; }} }} }}\n"
    );
    let file = folder.join("nginx.conf");
    std::fs::write(&file, config)?;
    let address = ("127.0.0.1", NGINX_PORT);
    ensure!(
        std::net::TcpStream::connect(address).is_err(),
        "port {NGINX_PORT} is taken, perhaps by the nginx of an earlier run"
    );
    let mut command = gateway(&program);
    command.arg("-p").arg(folder).arg("-c").arg(&file);
    let nginx = Child::start(command);
    let deadline = Instant::now() + READY_WITHIN;
    while std::net::TcpStream::connect(address).is_err() {
        ensure!(Instant::now() < deadline, "nginx did not start: {}", nginx.said());
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok((nginx, format!("http://127.0.0.1:{NGINX_PORT}")))
}
