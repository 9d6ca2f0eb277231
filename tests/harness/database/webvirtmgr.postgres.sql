-- WebVirtMgr: what `syncdb` of Django 1.5 makes of its models servers.Compute and instance.Instance and of the users and sessions
-- beside them. Django 1.5 has no django_migrations.

CREATE TABLE "auth_user" (
    "id" serial NOT NULL PRIMARY KEY,
    "password" varchar(128) NOT NULL,
    "last_login" timestamp with time zone NOT NULL,
    "is_superuser" boolean NOT NULL,
    "username" varchar(30) NOT NULL UNIQUE,
    "first_name" varchar(30) NOT NULL,
    "last_name" varchar(30) NOT NULL,
    "email" varchar(75) NOT NULL,
    "is_staff" boolean NOT NULL,
    "is_active" boolean NOT NULL,
    "date_joined" timestamp with time zone NOT NULL
);
CREATE INDEX "auth_user_username_like" ON "auth_user" ("username" varchar_pattern_ops);

CREATE TABLE "django_session" (
    "session_key" varchar(40) NOT NULL PRIMARY KEY,
    "session_data" text NOT NULL,
    "expire_date" timestamp with time zone NOT NULL
);
CREATE INDEX "django_session_session_key_like" ON "django_session" ("session_key" varchar_pattern_ops);
CREATE INDEX "django_session_expire_date" ON "django_session" ("expire_date");

CREATE TABLE "servers_compute" (
    "id" serial NOT NULL PRIMARY KEY,
    "name" varchar(20) NOT NULL,
    "hostname" varchar(20) NOT NULL,
    "login" varchar(20) NOT NULL,
    "password" varchar(14),
    "type" integer NOT NULL
);

CREATE TABLE "instance_instance" (
    "id" serial NOT NULL PRIMARY KEY,
    "compute_id" integer NOT NULL REFERENCES "servers_compute" ("id") DEFERRABLE INITIALLY DEFERRED,
    "name" varchar(20) NOT NULL,
    "uuid" varchar(36) NOT NULL
);
CREATE INDEX "instance_instance_compute_id" ON "instance_instance" ("compute_id");
