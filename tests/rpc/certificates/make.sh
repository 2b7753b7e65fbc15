#!/bin/sh
# Makes the certificates of the TLS tests (needs openssl). Their keys protect nothing.
set -eu
cd "$(dirname "$0")"
days=36500
new_key() { openssl ecparam -name prime256v1 -genkey -noout -out "$1.key"; }
for name in authority stranger; do
    new_key $name
    openssl req -x509 -new -key $name.key -subj "/CN=zkmeter test $name" -days $days -out $name.pem
done
issue() { # name, authority, extension
    new_key "$1"
    openssl req -new -key "$1.key" -subj "/CN=zkmeter test $1" -out "$1.csr"
    printf '%s\n' "$3" > extension.cnf
    openssl x509 -req -in "$1.csr" -CA "$2.pem" -CAkey "$2.key" -CAcreateserial -days $days \
        -extfile extension.cnf -out "$1.pem"
    rm -f "$1.csr" extension.cnf "$2.srl"
}
issue server authority "subjectAltName=DNS:localhost,IP:127.0.0.1"
issue client authority "extendedKeyUsage=clientAuth"
issue intruder stranger "extendedKeyUsage=clientAuth"
rm -f authority.key stranger.key
