"""Certificate of cert-manager.io, as classes."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from ctrlkit.model import Definition, Schema, Scope, custom_resource


class AdditionalOutputFormats(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    type: Literal["DER", "CombinedPEM"]


class IssuerRef(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    group: str | None = None
    kind: str | None = None
    name: str


class PasswordSecretRef(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    key: str | None = None
    name: str


class Jks(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    alias: str | None = None
    create: bool
    password: str | None = None
    password_secret_ref: PasswordSecretRef | None = None


class Pkcs12(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    create: bool
    password: str | None = None
    password_secret_ref: PasswordSecretRef | None = None
    profile: Literal["LegacyRC2", "LegacyDES", "Modern2023", "Modern2026"] | None = None


class Keystores(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    jks: Jks | None = None
    pkcs12: Pkcs12 | None = None


class Excluded(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    dns_domains: Annotated[list[str] | None, Schema(list_type="atomic")] = None
    email_addresses: Annotated[list[str] | None, Schema(list_type="atomic")] = None
    ip_ranges: Annotated[list[str] | None, Schema(list_type="atomic")] = None
    uri_domains: Annotated[list[str] | None, Schema(list_type="atomic")] = None


class NameConstraints(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    critical: bool | None = None
    excluded: Excluded | None = None
    permitted: Excluded | None = None


class OtherNames(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    oid: str | None = None
    utf8_value: str | None = None


class PrivateKey(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    algorithm: Literal["RSA", "ECDSA", "Ed25519"] | None = None
    encoding: Literal["PKCS1", "PKCS8"] | None = None
    rotation_policy: Literal["Never", "Always"] | None = None
    size: int | None = None


class Windows(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    cron: Annotated[str, Meta(min_length=1)]
    timezone: Annotated[str, Meta(min_length=1)] | None = None
    window_duration: Annotated[str, Meta(pattern="^([0-9]+(\\.[0-9]+)?(s|m|h))+$")]


class Renewal(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    policy: Literal["RenewBefore", "Disabled"] | None = None
    windows: Annotated[list[Windows] | None, Schema(list_type="atomic")] = None


class SecretTemplate(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    annotations: dict[str, str] | None = None
    labels: dict[str, str] | None = None


class Subject(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    countries: Annotated[list[str] | None, Schema(list_type="atomic")] = None
    localities: Annotated[list[str] | None, Schema(list_type="atomic")] = None
    organizational_units: Annotated[list[str] | None, Schema(list_type="atomic")] = None
    organizations: Annotated[list[str] | None, Schema(list_type="atomic")] = None
    postal_codes: Annotated[list[str] | None, Schema(list_type="atomic")] = None
    provinces: Annotated[list[str] | None, Schema(list_type="atomic")] = None
    serial_number: str | None = None
    street_addresses: Annotated[list[str] | None, Schema(list_type="atomic")] = None


class Spec(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    additional_output_formats: Annotated[list[AdditionalOutputFormats] | None, Schema(list_type="atomic")] = None
    common_name: str | None = None
    dns_names: Annotated[list[str] | None, Schema(list_type="atomic")] = None
    duration: str | None = None
    email_addresses: Annotated[list[str] | None, Schema(list_type="atomic")] = None
    encode_usages_in_request: bool | None = None
    ip_addresses: Annotated[list[str] | None, Schema(list_type="atomic")] = None
    is_ca: bool | None = msgspec.field(default=None, name="isCA")
    issuer_ref: IssuerRef
    keystores: Keystores | None = None
    literal_subject: str | None = None
    name_constraints: NameConstraints | None = None
    other_names: Annotated[list[OtherNames] | None, Schema(list_type="atomic")] = None
    private_key: PrivateKey | None = None
    renew_before: str | None = None
    renew_before_percentage: Annotated[int | None, Schema(format="int32")] = None
    renewal: Renewal | None = None
    revision_history_limit: Annotated[int | None, Schema(format="int32")] = None
    secret_name: str
    secret_template: SecretTemplate | None = None
    signature_algorithm: (
        Literal[
            "SHA256WithRSA",
            "SHA384WithRSA",
            "SHA512WithRSA",
            "ECDSAWithSHA256",
            "ECDSAWithSHA384",
            "ECDSAWithSHA512",
            "PureEd25519",
        ]
        | None
    ) = None
    subject: Subject | None = None
    uris: Annotated[list[str] | None, Schema(list_type="atomic")] = None
    usages: Annotated[
        list[
            Literal[
                "signing",
                "digital signature",
                "content commitment",
                "key encipherment",
                "key agreement",
                "data encipherment",
                "cert sign",
                "crl sign",
                "encipher only",
                "decipher only",
                "any",
                "server auth",
                "client auth",
                "code signing",
                "email protection",
                "s/mime",
                "ipsec end system",
                "ipsec tunnel",
                "ipsec user",
                "timestamping",
                "ocsp signing",
                "microsoft sgc",
                "netscape sgc",
            ]
        ]
        | None,
        Schema(list_type="atomic"),
    ] = None


class SuggestedWindow(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    end: Annotated[str, Schema(format="date-time")]
    start: Annotated[str, Schema(format="date-time")]


class Ari(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    explanation_url: str | None = msgspec.field(default=None, name="explanationURL")
    last_checked: Annotated[str | None, Schema(format="date-time")] = None
    last_error: str | None = None
    next_check: Annotated[str | None, Schema(format="date-time")] = None
    suggested_window: SuggestedWindow | None = None


class Acme(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    ari: Ari | None = None


class Conditions(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    last_transition_time: Annotated[str | None, Schema(format="date-time")] = None
    message: str | None = None
    observed_generation: Annotated[int | None, Schema(format="int64")] = None
    reason: str | None = None
    status: Literal["True", "False", "Unknown"]
    type: str


class Status(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    acme: Acme | None = None
    conditions: Annotated[list[Conditions] | None, Schema(list_map_keys=("type",), list_type="map")] = None
    failed_issuance_attempts: int | None = None
    last_failure_time: Annotated[str | None, Schema(format="date-time")] = None
    next_private_key_secret_name: str | None = None
    not_after: Annotated[str | None, Schema(format="date-time")] = None
    not_before: Annotated[str | None, Schema(format="date-time")] = None
    renewal_time: Annotated[str | None, Schema(format="date-time")] = None
    revision: int | None = None


class Certificate(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    spec: Spec | None = None
    status: Status | None = None


CERTIFICATE_V1 = custom_resource(
    group="cert-manager.io",
    version="v1",
    kind="Certificate",
    plural="certificates",
    scope=Scope.NAMESPACED,
    definition=Definition(storage=True),
).of(Certificate)

VERSIONS = (CERTIFICATE_V1,)
