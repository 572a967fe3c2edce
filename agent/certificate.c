/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "agent/certificate.h"

#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdio.h>
#include "overlay/model.h"
#include "util.h"

char *
certificate_name(const char *path)
{
    char name[NAME_LEN_MAX + 2] = "";
    FILE *file = fopen(path, "r");
    X509 *cert = file ? PEM_read_X509(file, NULL, NULL, NULL) : NULL;
    if (cert) {
        (void) X509_NAME_get_text_by_NID(X509_get_subject_name(cert),
                                         NID_commonName, name, sizeof name);
        X509_free(cert);
    }
    if (file) {
        fclose(file);
    }
    return name_is_valid(name) ? xstrdup(name) : NULL;
}
