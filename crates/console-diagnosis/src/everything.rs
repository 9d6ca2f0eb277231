//! All that can be checked on this machine.

use std::collections::HashMap;
use std::sync::Arc;

use console_config::Settings;
use console_inventory::{Host, HostId, Inventory, PanelContent, PanelGuest};
use console_libvirt::Libvirt;
use futures_util::stream::{self, StreamExt};

use crate::browser::{Browser, Front};
use crate::checks::{
    CERTIFICATE_CLIENTS, CERTIFICATE_DATES, CERTIFICATE_FILE, CERTIFICATE_KEY, CERTIFICATE_ORDER,
    CERTIFICATE_PAIR, CONFIG_FILE, CONFIG_SSH, Check, SYSTEM_CLOCK,
};
use crate::guests::Good;
use crate::host::Tools;
use crate::options::Options;
use crate::report::{Branch, Report, Section, Status};
use crate::running::Doubt;
use crate::thread::apart;
use crate::wording::chain;
use crate::{certificate, guests, host, inventory, listening, settings, system};

/// Checks the settings, the listeners, the certificate, a browser's way, the panel's database, every host and its guests, and the machine.
pub async fn everything(report: &Report, options: &Options) {
    let branch = report.section("Settings");
    let Some(settings) = read(&branch, options).await else { return };
    let parts = tools(&branch, options, &settings);
    drop(branch);

    // Shown in this order, whoever is quicker.
    let (listeners, certificate) = (report.section("Listening"), report.section("Certificate"));
    let browsers = report.section("Browsers");
    let database = settings.database.is_some().then(|| report.section("Panel"));
    let hypervisors = report.section("Hypervisors");
    let machine = report.section("Machine");

    // What keeps the proxy from starting comes first: that nothing listens follows from it.
    let reading = async {
        let server = settings.server.clone();
        let reading = apart(&certificate, CERTIFICATE_FILE, options.limit(), move |branch| {
            certificate::examine(branch, &server)
        });
        reading.await.flatten()
    };
    let asking = async {
        match (&database, &parts) {
            (Some(branch), Some((inventory, _))) => inventory::examine(branch, inventory).await,
            _ => (None, false),
        }
    };
    let (own, (content, is_fatal)) = tokio::join!(reading, asking);
    drop(database);
    let doubt = doubt(report, is_fatal);

    let front = async {
        let at = listening::examine(&listeners, options, &settings.server, &doubt).await;
        drop(listeners);
        let front = Front { at, own };
        let browser = Browser { branch: &browsers, options, settings: &settings.server };
        browser.visit(&certificate, &front).await;
        drop(certificate);
        browser.visit_public(&front).await;
        drop(browsers);
        front
    };
    let back = async {
        let (inventory, tools) = parts?;
        let found = hosts(hypervisors, &tools, &inventory, content.as_ref()).await;
        tools.opener.close().await;
        found
    };
    let own = async {
        let (settings, options) = (settings.clone(), options.clone());
        let limit = options.limit();
        apart(&machine, SYSTEM_CLOCK, limit, move |branch| {
            system::examine(branch, &options, &settings);
        })
        .await;
        drop(machine);
    };
    let (front, found, ()) = tokio::join!(front, back, own);
    if options.is_slow {
        let branch = report.section("Idle connection");
        let browser = Browser { branch: &branch, options, settings: &settings.server };
        browser.idle(&front, found).await;
    }
}

/// The first finding that the proxy does not start with. A database that may come back by itself is none.
fn doubt(report: &Report, is_database_fatal: bool) -> Doubt {
    let sections = report.sections();
    let errors = sections.iter().flat_map(Section::all);
    let mut errors = errors.filter(|finding| finding.status == Status::Error);
    let fatal = errors.find(|finding| match finding.check.id.split('.').next() {
        Some("inventory") => is_database_fatal,
        _ => FATAL.contains(&finding.check),
    });
    Doubt(fatal.map(|finding| finding.check.id))
}

/// With these the proxy ends at once (exit code 64).
const FATAL: &[Check] = &[
    CONFIG_SSH,
    CERTIFICATE_FILE,
    CERTIFICATE_KEY,
    CERTIFICATE_PAIR,
    CERTIFICATE_ORDER,
    CERTIFICATE_DATES,
    CERTIFICATE_CLIENTS,
];

/// The settings, if they make sense.
pub(crate) async fn read(branch: &Branch, options: &Options) -> Option<Settings> {
    let sources = options.sources.clone();
    let reading =
        apart(branch, CONFIG_FILE, options.limit(), move |branch| settings::load(branch, &sources));
    reading.await.flatten()
}

/// The hosts, and what they are tried with; nothing if ssh_config is in the way.
pub(crate) fn tools(
    branch: &Branch,
    options: &Options,
    settings: &Settings,
) -> Option<(Inventory, Tools)> {
    let bounded = options.bounded(settings);
    let inventory = match console_assembly::inventory(&bounded, &options.user) {
        Ok(inventory) => inventory,
        Err(error) => {
            branch.fail(
                CONFIG_SSH,
                chain(&error),
                "correct that file, or the host's settings; ssh -G HOST as the service's user shows what ssh makes of it",
            );
            return None;
        }
    };
    let tools = Tools {
        opener: console_assembly::opener(&bounded.server).that_writes_nothing(),
        libvirt: Libvirt::new(console_assembly::libvirt_settings(&bounded.server)),
        limit: options.limit(),
        all_domains: options.all_domains,
    };
    Some((inventory, tools))
}

/// Side by side; the first console that was found to be in order.
async fn hosts(
    hypervisors: Branch,
    tools: &Tools,
    inventory: &Inventory,
    content: Option<&PanelContent>,
) -> Option<(HostId, Good)> {
    let mut guests: HashMap<HostId, Vec<&PanelGuest>> = HashMap::new();
    for guest in content.iter().flat_map(|content| &content.guests) {
        guests.entry(guest.host).or_default().push(guest);
    }
    let fixed = inventory.hosts().map(|host| (host.clone(), None));
    let panels = content.iter().flat_map(|content| &content.hosts).map(|host| {
        let listed = guests.remove(&host.id()).unwrap_or_default();
        (Arc::new(host.clone()), Some(listed))
    });
    let all: Vec<_> = fixed.chain(panels).collect();
    let branches: Vec<_> = all
        .into_iter()
        .map(|(host, panel)| (hypervisors.section(title(&host)), host, panel))
        .collect();
    drop(hypervisors);
    let trying = stream::iter(branches).map(|(branch, host, panel)| async move {
        let tunnels = host::reach(&branch, tools, &host).await?;
        let good = guests::examine(&branch, tools, &host, tunnels, panel).await;
        Some((host.id(), *good.first()?))
    });
    let found: Vec<_> = trying.buffered(AT_ONCE).filter_map(std::future::ready).collect().await;
    found.into_iter().next()
}

fn title(host: &Host) -> String {
    format!("Host {} ({})", host.id(), host.name())
}

/// How many hosts are tried at a time.
const AT_ONCE: usize = 32;
