//! Settings as the panels' users have them.

use django_settings::{Literal, read};

const WEBVIRTCLOUD: &str = r#""""
Settings of a panel on Django 4.
WS_PORT = 1 stands in a text.
"""
import os
from pathlib import Path

BASE_DIR = Path(__file__).resolve().parent.parent
SECRET_KEY = ""
DEBUG = False
ALLOWED_HOSTS = ["*"]
INSTALLED_APPS = [
    "django.contrib.auth",
    "console",  # WS_PORT = 2
]
DATABASES = {
    "default": {"ENGINE": "django.db.backends.sqlite3", "NAME": BASE_DIR / "db.sqlite3"},
}
LOGGING = {
    "handlers": {"file": {"filename": os.path.join(BASE_DIR, "panel.log"), "WS_PORT": 3}},
}

# The proxy
WS_PORT = 6080
WS_HOST = "0.0.0.0"
WS_PUBLIC_PORT = 6080
WS_PUBLIC_HOST = None
WS_PUBLIC_PATH = "/novncd/"
WS_CERT = None
SOCKETIO_PORT = 6081
"#;

const WEBVIRTMGR: &str = "\
# Django settings, Python 2
import os

PROJECT_PATH = os.path.dirname(__file__)
TEMPLATE_DIRS = (os.path.join(PROJECT_PATH, '..', 'templates'),)
TIME_ZONE = u'America/Chicago'

WS_PORT = 6080
WS_HOST = '0.0.0.0'
WS_CERT = None
WS_PUBLIC_HOST = os.environ.get('WS_PUBLIC_HOST')

try:
    from local.local_settings import *
except ImportError:
    pass
";

#[test]
fn webvirtclouds() {
    let found = read(WEBVIRTCLOUD, |name| name.starts_with("WS_"));
    let text = |text: &str| Some(Literal::Str(text.to_owned()));
    for (name, value) in [
        ("WS_PORT", Some(Literal::Int(6080))),
        ("WS_HOST", text("0.0.0.0")),
        ("WS_PUBLIC_PORT", Some(Literal::Int(6080))),
        ("WS_PUBLIC_HOST", Some(Literal::None)),
        ("WS_PUBLIC_PATH", text("/novncd/")),
        ("WS_CERT", Some(Literal::None)),
    ] {
        assert_eq!(found.get(name), value.as_ref(), "{name}");
    }
    assert_eq!((found.assignments.len(), found.skipped.len(), found.star_imports.len()), (6, 0, 0));
    assert_eq!(found.assignments[0].line, 24);
}

#[test]
fn webvirtmgrs() {
    let found = read(WEBVIRTMGR, |name| name.starts_with("WS_"));
    assert_eq!(found.get("WS_PORT"), Some(&Literal::Int(6080)));
    let skipped: Vec<_> = found.skipped.iter().map(|one| (one.name.as_str(), one.line)).collect();
    assert_eq!(skipped, [("WS_PUBLIC_HOST", 11)]);
    assert_eq!(found.star_imports[0].module, "local.local_settings");
}
