//! The whole program, one file for each behaviour. `cargo xtask test e2e` installs what they need.

mod check_bench;
mod check_certificates;
mod check_domains;
mod check_front;
mod check_hosts;
mod check_page;
mod check_panel;
mod check_program;
mod check_ssh;
mod check_urls;
mod clients;
mod encrypted;
mod failures;
mod hypervisor;
mod leaks;
mod listeners;
mod mixed;
mod page;
mod panels;
mod panels_faults;
mod panels_load;
mod panels_start;
mod program;
mod pure_crates;
mod remote;
mod remote_faults;
mod reverse_proxies;
mod screen;
mod service;
mod service_changes;
mod service_check;
mod service_supervisor;
mod sessions;
mod spice;
mod ssh_channels;
mod ssh_examine;
mod ssh_faults;
mod ssh_floods;
mod ssh_host_keys;
mod ssh_login;
mod ssh_rig;
mod ssh_slow;
mod tunnels;

use std::time::Duration;

/// Long enough for any one step on a loaded machine; only something broken waits for it.
const PATIENCE: Duration = Duration::from_secs(60);
