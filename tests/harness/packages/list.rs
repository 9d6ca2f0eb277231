//! Which packages, and what for.

/// What the packages are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// `cargo xtask package`.
    Build,
    /// `cargo xtask demo`.
    Demo,
    /// `cargo xtask demo --check`.
    DemoCheck,
    /// `cargo xtask test`, and with it everything.
    Test,
}

/// One package, why it is needed, and whether it is only unpacked.
#[derive(Clone, Copy, Debug)]
pub(super) struct Package {
    pub(super) name: &'static str,
    pub(super) why: &'static str,
    pub(super) unpacked: bool,
}

const fn installed(name: &'static str, why: &'static str) -> Package {
    Package { name, why, unpacked: false }
}

const fn unpacked(name: &'static str, why: &'static str) -> Package {
    Package { name, why, unpacked: true }
}

/// The programs of unpacked packages, as paths inside them.
pub(super) const SSHD: &str = "usr/sbin/sshd";
pub(super) const SASLPASSWD: &str = "usr/sbin/saslpasswd2";
pub(super) const NGINX: &str = "usr/sbin/nginx";
pub(super) const HAPROXY: &str = "usr/sbin/haproxy";
pub(super) const MARIADBD: &str = "usr/sbin/mariadbd";

pub(super) const QEMU: &str = "qemu-system-x86";
/// Debian's name for whichever version it has.
pub(super) const POSTGRES: &str = "postgresql";
/// The server without its service, its clients and Perl.
pub(super) const MARIADB: &str = "mariadb-server-core";

const BUILD: &[Package] = &[
    installed("libvirt-dev", "to build against libvirt"),
    installed("libssl-dev", "to build against OpenSSL, whose ciphers SSH uses"),
    installed("pkg-config", "to find both when building"),
];
const DEMO: &[Package] = &[
    installed(QEMU, "runs the guest"),
    installed("libvirt-daemon", "starts the guest and knows its console"),
    installed("libvirt-daemon-driver-qemu", "lets libvirt run QEMU"),
    installed("libvirt-clients", "virsh, to talk to libvirt"),
    unpacked("novnc", "the VNC client in the browser"),
    unpacked("spice-html5", "the SPICE client in the browser"),
];
const BROWSER: &[Package] =
    &[installed("chromium", "opens the page"), installed("chromium-driver", "drives Chromium")];
const TEST: &[Package] = &[
    installed("g++", "builds the fuzz targets"),
    unpacked("openssh-server", "a host to reach by SSH"),
    installed("openssh-client", "reaches it"),
    installed("netcat-openbsd", "carries libvirt over that SSH"),
    installed("iproute2", "gives that host a network of its own"),
    installed("openssl", "makes its certificates"),
    installed("libsasl2-modules", "lets libvirt ask for a password"),
    unpacked("sasl2-bin", "makes that password"),
    unpacked("nginx", "stands in front of the proxy"),
    unpacked("haproxy", "stands in front of it in its own way"),
    installed("debootstrap", "makes a Debian to install the package in"),
    unpacked(POSTGRES, "has a web panel's tables"),
    unpacked(MARIADB, "has them in its own way"),
];

impl Purpose {
    pub(super) fn packages(self) -> Vec<Package> {
        let groups: &[&[Package]] = match self {
            Self::Build => &[BUILD],
            Self::Demo => &[BUILD, DEMO],
            Self::DemoCheck => &[BUILD, DEMO, BROWSER],
            Self::Test => &[BUILD, DEMO, BROWSER, TEST],
        };
        groups.concat()
    }
}
