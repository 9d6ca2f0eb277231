-- WebVirtMgr: what `syncdb` of Django 1.5 makes of its models servers.Compute and instance.Instance and of the users and sessions
-- beside them. Django 1.5 has no django_migrations.

CREATE TABLE `auth_user` (
    `id` integer AUTO_INCREMENT NOT NULL PRIMARY KEY,
    `password` varchar(128) NOT NULL,
    `last_login` datetime NOT NULL,
    `is_superuser` bool NOT NULL,
    `username` varchar(30) NOT NULL UNIQUE,
    `first_name` varchar(30) NOT NULL,
    `last_name` varchar(30) NOT NULL,
    `email` varchar(75) NOT NULL,
    `is_staff` bool NOT NULL,
    `is_active` bool NOT NULL,
    `date_joined` datetime NOT NULL
);

CREATE TABLE `django_session` (
    `session_key` varchar(40) NOT NULL PRIMARY KEY,
    `session_data` longtext NOT NULL,
    `expire_date` datetime NOT NULL
);
CREATE INDEX `django_session_b7b81f0c` ON `django_session` (`expire_date`);

CREATE TABLE `servers_compute` (
    `id` integer AUTO_INCREMENT NOT NULL PRIMARY KEY,
    `name` varchar(20) NOT NULL,
    `hostname` varchar(20) NOT NULL,
    `login` varchar(20) NOT NULL,
    `password` varchar(14),
    `type` integer NOT NULL
);

CREATE TABLE `instance_instance` (
    `id` integer AUTO_INCREMENT NOT NULL PRIMARY KEY,
    `compute_id` integer NOT NULL,
    `name` varchar(20) NOT NULL,
    `uuid` varchar(36) NOT NULL
);
ALTER TABLE `instance_instance`
    ADD CONSTRAINT `compute_id_refs_id_eaa2d69e` FOREIGN KEY (`compute_id`) REFERENCES `servers_compute` (`id`);
CREATE INDEX `instance_instance_855d579c` ON `instance_instance` (`compute_id`);
