-- WebVirtCloud: what Django 4.2 makes of its models computes.Compute and instances.Instance and of the users and
-- sessions beside them; of the migrations' own record the lines that name these two.

CREATE TABLE "django_migrations" (
    "id" integer NOT NULL PRIMARY KEY AUTOINCREMENT,
    "app" varchar(255) NOT NULL,
    "name" varchar(255) NOT NULL,
    "applied" datetime NOT NULL
);

CREATE TABLE "auth_user" (
    "id" integer NOT NULL PRIMARY KEY AUTOINCREMENT,
    "password" varchar(128) NOT NULL,
    "last_login" datetime NULL,
    "is_superuser" bool NOT NULL,
    "username" varchar(150) NOT NULL UNIQUE,
    "first_name" varchar(150) NOT NULL,
    "last_name" varchar(150) NOT NULL,
    "email" varchar(254) NOT NULL,
    "is_staff" bool NOT NULL,
    "is_active" bool NOT NULL,
    "date_joined" datetime NOT NULL
);

CREATE TABLE "django_session" (
    "session_key" varchar(40) NOT NULL PRIMARY KEY,
    "session_data" text NOT NULL,
    "expire_date" datetime NOT NULL
);

CREATE TABLE "computes_compute" (
    "id" integer NOT NULL PRIMARY KEY AUTOINCREMENT,
    "name" varchar(64) NOT NULL UNIQUE,
    "hostname" varchar(64) NOT NULL,
    "login" varchar(20) NOT NULL,
    "password" varchar(14) NULL,
    "details" varchar(64) NULL,
    "type" integer NOT NULL
);

CREATE TABLE "instances_instance" (
    "id" integer NOT NULL PRIMARY KEY AUTOINCREMENT,
    "compute_id" integer NOT NULL REFERENCES "computes_compute" ("id") DEFERRABLE INITIALLY DEFERRED,
    "name" varchar(120) NOT NULL,
    "uuid" varchar(36) NOT NULL,
    "is_template" bool NOT NULL,
    "created" datetime NOT NULL,
    "drbd" varchar(24) NOT NULL
);
CREATE INDEX "django_session_expire_date_a5c62663" ON "django_session" ("expire_date");
CREATE INDEX "instances_instance_compute_id_113b19c5" ON "instances_instance" ("compute_id");
CREATE INDEX "instances_instance_name_8372a293" ON "instances_instance" ("name");
CREATE INDEX "instances_instance_uuid_7ce5a26a" ON "instances_instance" ("uuid");

INSERT INTO "django_migrations" ("app", "name", "applied") VALUES
    ('computes', '0001_initial', '2025-03-06 09:30:00'),
    ('computes', '0003_auto_20200615_0637', '2025-03-06 09:30:00'),
    ('instances', '0001_initial', '2025-03-06 09:30:00'),
    ('instances', '0010_auto_20220722_0812', '2025-03-06 09:30:00');
