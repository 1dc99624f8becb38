"""Certificates as a private authority makes them, and a client of TLS listeners."""

import datetime
import ssl

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from support import raw_http
from support.world import ago


def pem_of_key(key):
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                             serialization.NoEncryption()).decode()


def pem_of(certificate):
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


class Authority:
    """A root, an intermediate that signs, and what they made: files in a folder."""

    def __init__(self, folder):
        self.folder = folder
        folder.mkdir(exist_ok=True)
        self.root_key, root_key = [ec.generate_private_key(ec.SECP256R1()) for _ in range(2)]
        self.key = root_key
        self.root = self._sign("Test Root", self.root_key, None, self.root_key)
        self.intermediate = self._sign("Test Intermediate", self.key, self.root, self.root_key)
        (folder / "root.pem").write_text(pem_of(self.root))

    def _sign(self, name, key, issuer, issuer_key, host=None, since=3600, left=86400):
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        builder = (x509.CertificateBuilder().subject_name(subject)
                   .issuer_name(issuer.subject if issuer else subject).public_key(key.public_key())
                   .serial_number(x509.random_serial_number()).not_valid_before(ago(since)).not_valid_after(ago(-left))
                   .add_extension(x509.BasicConstraints(ca=host is None, path_length=None), critical=True))
        if host:
            builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        return builder.sign(issuer_key, hashes.SHA256())

    def make(self, name="geod", left=86400, host=raw_http.HOST, chain=True, since=172800):
        """NAME.pem and NAME.key; the certificate, good since `since` seconds and for `left`."""
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = self._sign(name, key, self.intermediate, self.key, host, since=since, left=left)
        (self.folder / f"{name}.pem").write_text(pem_of(certificate) + (pem_of(self.intermediate) if chain else ""))
        (self.folder / f"{name}.key").write_text(pem_of_key(key))
        (self.folder / f"{name}.key").chmod(0o600)
        return certificate

    def files(self, name="geod"):
        return {"certificate_file": str(self.folder / f"{name}.pem"), "key_file": str(self.folder / f"{name}.key")}

    def client(self, version=None, alpn=()):
        """A context that trusts the root alone. version: this one and no other."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(self.folder / "root.pem")
        if version:
            context.set_ciphers("DEFAULT:@SECLEVEL=0")  # which old versions need
            context.minimum_version = context.maximum_version = version
        if alpn:
            context.set_alpn_protocols(list(alpn))
        return context


def certificate_of(connection):
    return x509.load_der_x509_certificate(connection.socket.getpeercert(True))


def expiry_of(certificate):
    return certificate.not_valid_after.replace(tzinfo=datetime.timezone.utc).timestamp()


class Connection(raw_http.Connection):
    def __init__(self, address, context, session=None):
        super().__init__(address)
        try:
            self.socket = context.wrap_socket(self.socket, server_hostname=raw_http.HOST, session=session)
        except BaseException:
            self.socket.close()
            raise


def fetch(address, context, target, **keys):
    with Connection(address, context) as connection:
        return connection.ask(target, **keys)


class Stalled(raw_http.Connection):
    """A client that begins a handshake and says no more, after so many bytes of it, or after all of its first words."""

    def __init__(self, address, bytes_sent=None):
        super().__init__(address)
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        talk = context.wrap_bio(incoming, outgoing, server_hostname=raw_http.HOST)
        try:
            talk.do_handshake()
        except ssl.SSLWantReadError:
            pass
        hello = outgoing.read()
        self.send(hello if bytes_sent is None else hello[:bytes_sent])
        if bytes_sent is None:
            assert self.socket.recv(5)[0] == 22, "the server shakes hands"

    def is_closed(self):
        return is_ended(self)


def is_ended(connection):
    """True when the server closes within the deadline, whatever it says before, such as TLS' own good-bye."""
    try:
        while connection.socket.recv(65536):
            pass
        return True
    except ConnectionResetError:
        return True
    except TimeoutError:
        return False
